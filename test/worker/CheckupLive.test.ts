import { it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { describe, expect } from "vitest"
import { layer as dependencies } from "../../src/cache/Dependencies.ts"
import * as LiveIndex from "../../src/controller/LiveIndex.ts"
import type { GitRepository } from "../../src/domain/repository.ts"
import { refused } from "../../src/kube/response.ts"
import { unanswered } from "../../src/kube/unanswered.ts"
import { Checkup } from "../../src/worker/Checkup.ts"
import { layer } from "../../src/worker/CheckupLive.ts"
import * as KubeMemory from "../layers/KubeMemory.ts"
import { repository } from "../layers/repositories.ts"

const rules = {
  namespace: "nopea-system",
  defaultServiceAccount: "",
  allowControllerIdentity: false,
}
const web = repository("web", { spec: { serviceAccountName: "deployer", wait: true } })
const ref = (kind: string, group = "apps") => ({
  group,
  version: "v1",
  kind,
  namespace: "apps",
  name: "web",
})
const asked = { operation: "get", subject: "apps/Deployment/apps/web", kind: "Deployment" }
const forbidden = refused(asked, { status: 403, body: "" })
const down = unanswered(asked, { code: "NOPEA-A018", reason: "down", fix: "start it" })

const here = layer(rules).pipe(
  Layer.provideMerge(Layer.merge(LiveIndex.layer(), dependencies)),
  Layer.provideMerge(KubeMemory.layer),
)

const read = (of: GitRepository, kind = ref("Deployment")) =>
  Effect.gen(function* () {
    const checkup = yield* Checkup
    const reading = yield* checkup.read(of, kind)
    return reading === undefined ? "unknown" : `${reading.health.state} ${reading.health.reason}`
  })

describe("a look at an object's health", () => {
  it.effect("is taken as the repository's account, and knows the version it saw", () =>
    Effect.gen(function* () {
      const memory = yield* KubeMemory.KubeMemory
      const stored = memory.put({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web", namespace: "apps" },
        spec: { replicas: 0 },
        status: { observedGeneration: 1 },
      })
      const checkup = yield* Checkup
      expect(yield* checkup.read(web, ref("Deployment"))).toEqual({
        health: { state: "healthy", reason: "" },
        version: stored.metadata.resourceVersion,
      })
      const [call] = memory.calls.filter(({ verb }) => verb === "get")
      expect(call?.caller?.impersonate).toBe("system:serviceaccount:apps:deployer")
    }).pipe(Effect.provide(here)),
  )

  it.effect("is taken of many with one list of the repository's own, as its account", () =>
    Effect.gen(function* () {
      const memory = yield* KubeMemory.KubeMemory
      const put = (name: string, namespace: string, uid: string) =>
        memory.put({
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: { name, namespace, labels: { "nopea.io/repository-uid": uid } },
          spec: { replicas: 0 },
          status: { observedGeneration: 1 },
        })
      put("web", "apps", web.metadata.uid)
      put("other", "apps", "somebody")
      put("far", "elsewhere", web.metadata.uid)
      const checkup = yield* Checkup
      const readings = yield* checkup.readMany(web, [ref("Deployment")])
      expect([...(readings ?? [])].map(([key, { health }]) => [key, health.state])).toEqual([
        ["apps/Deployment/apps/web", "healthy"],
      ])
      const [call] = memory.calls.filter(({ verb }) => verb === "list")
      expect(call?.caller?.impersonate).toBe("system:serviceaccount:apps:deployer")
      memory.intercept(({ verb }) => (verb === "list" ? Effect.fail(forbidden) : Effect.void))
      expect(yield* checkup.readMany(web, [ref("Deployment")])).toBeUndefined()
      expect(yield* checkup.readMany(web, [ref("Widget", "example.org")])).toBeUndefined()
    }).pipe(Effect.provide(here)),
  )

  it.effect("says what is missing, what it may not see, and nothing where nobody answers", () =>
    Effect.gen(function* () {
      const memory = yield* KubeMemory.KubeMemory
      expect(yield* read(web)).toBe("progressing it is not there")
      expect(yield* read(web, ref("Widget", "example.org"))).toBe(
        "progressing its kind is not served",
      )
      memory.intercept(({ verb }) => (verb === "get" ? Effect.fail(forbidden) : Effect.void))
      expect(yield* read(web)).toBe(
        "degraded its account may not read it: grant it the verb get on apps/Deployment/apps/web",
      )
      memory.intercept(({ verb }) => (verb === "get" ? Effect.fail(down) : Effect.void))
      expect(yield* read(web)).toBe("unknown")
      expect(yield* read(repository("nobody"))).toBe("unknown")
    }).pipe(Effect.provide(here)),
  )

  it.effect("is wanted where a repository waits, unless it only observes", () =>
    Effect.gen(function* () {
      const { isWanted } = yield* Checkup
      const specs = [{}, { wait: true }, { wait: true, dryRun: true }]
      expect(specs.map((spec) => isWanted(repository("a", { spec })))).toEqual([false, true, false])
    }).pipe(Effect.provide(here)),
  )
})
