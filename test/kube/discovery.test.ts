import { it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { describe, expect } from "vitest"
import { type AggregatedList, fromAggregated } from "../../src/kube/discovery.ts"
import { makeDiscovery } from "../../src/kube/KubeDiscovery.ts"
import { unanswered } from "../../src/kube/unanswered.ts"

const resource = (name: string, kind: string, scope = "Namespaced") => ({
  resource: name,
  scope,
  verbs: ["get", "list", "watch"],
  responseKind: { group: "", version: "", kind },
})

const core: AggregatedList = {
  kind: "APIGroupDiscoveryList",
  items: [
    {
      versions: [
        {
          version: "v1",
          freshness: "Current",
          resources: [resource("pods", "Pod"), resource("nodes", "Node", "Cluster")],
        },
      ],
    },
  ],
}

const groups: AggregatedList = {
  kind: "APIGroupDiscoveryList",
  items: [
    {
      metadata: { name: "autoscaling" },
      versions: [
        {
          version: "v2",
          freshness: "Current",
          resources: [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler")],
        },
        {
          version: "v1",
          freshness: "Current",
          resources: [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler")],
        },
      ],
    },
    {
      metadata: { name: "metrics.k8s.io" },
      versions: [{ version: "v1beta1", freshness: "Stale", resources: [] }],
    },
  ],
}

describe("aggregated discovery", () => {
  const found = fromAggregated([core, groups])

  it("knows each kind's resource, scope and verbs", () => {
    expect(found.find({ group: "", kind: "Pod" })).toEqual({
      group: "",
      version: "v1",
      kind: "Pod",
      resource: "pods",
      namespaced: true,
      verbs: ["get", "list", "watch"],
    })
    expect(found.find({ group: "", kind: "Node" })?.namespaced).toBe(false)
  })

  it("prefers the server's first version and finds the others by name", () => {
    const kind = { group: "autoscaling", kind: "HorizontalPodAutoscaler" }
    expect(found.find(kind)?.version).toBe("v2")
    expect(found.find(kind, "v1")?.version).toBe("v1")
    expect(found.find(kind, "v3")).toBeUndefined()
    expect(found.find({ ...kind, group: "" })).toBeUndefined()
  })

  it("names group versions whose server did not answer", () => {
    expect(found.incomplete).toEqual(["metrics.k8s.io/v1beta1"])
  })
})

describe("a server without aggregated discovery", () => {
  it.effect("is refused by a clear error", () =>
    Effect.gen(function* () {
      const discover = yield* makeDiscovery(() => Effect.succeed({ kind: "APIVersions" }))
      expect(yield* Effect.flip(discover())).toMatchObject({
        code: "NOPEA-A031",
        reason: "the API server has no aggregated discovery",
        fix: "use Kubernetes 1.29 or later",
      })
    }),
  )
})

describe("kept discovery", () => {
  const counting = Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    const reads: Array<string> = []
    const discover = yield* makeDiscovery((path) =>
      Effect.gen(function* () {
        reads.push(path)
        yield* Deferred.await(gate)
        return path === "/api" ? core : groups
      }),
    )
    return { gate, reads, discover }
  })

  it.effect("is read once, however many ask", () =>
    Effect.gen(function* () {
      const { gate, reads, discover } = yield* counting
      const asking = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 20 }, () => discover()),
          { concurrency: "unbounded" },
        ),
        { startImmediately: true },
      )
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(asking)
      yield* discover()
      expect(reads).toEqual(["/api", "/apis"])
    }),
  )

  it.effect(
    "is read at most twice for any number of concurrent refreshes, always after they were asked for",
    () =>
      Effect.gen(function* () {
        const { gate, reads, discover } = yield* counting
        const first = yield* Effect.forkChild(discover("refresh"), { startImmediately: true })
        const others = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 20 }, () => discover("refresh")),
            { concurrency: "unbounded" },
          ),
          { startImmediately: true },
        )
        expect(reads.length).toBe(2)
        yield* Deferred.succeed(gate, undefined)
        const kept = yield* Fiber.join(first)
        const later = yield* Fiber.join(others)
        expect(reads.length).toBe(4)
        expect(later.every((d) => d === later[0] && d !== kept)).toBe(true)
      }),
  )

  it.effect("keeps what it had where a refresh fails", () =>
    Effect.gen(function* () {
      let isDown = false
      const asked = { operation: "discover", subject: "", kind: "" }
      const discover = yield* makeDiscovery((path) =>
        isDown
          ? Effect.fail(unanswered(asked, { code: "NOPEA-A018", reason: "down", fix: "up" }))
          : Effect.succeed(path === "/api" ? core : groups),
      )
      const before = yield* discover()
      isDown = true
      expect((yield* Effect.flip(discover("refresh"))).code).toBe("NOPEA-A018")
      expect(yield* discover()).toBe(before)
    }),
  )
})
