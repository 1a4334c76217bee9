import { Effect, Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Dependencies, layer } from "../../src/cache/Dependencies.ts"
import {
  circleOf,
  circleText,
  isNeeded,
  problemsOf,
  type Row,
  type Rows,
  rowOf,
} from "../../src/cache/readiness.ts"
import type { RepositoryStatus } from "../../src/domain/status.ts"
import { repository } from "../layers/repositories.ts"

const SHA = "a".repeat(40)
const OLD = "b".repeat(40)

/** `Ready=True/Succeeded@1` */
const status = (told: string, more: Partial<RepositoryStatus> = {}): RepositoryStatus => ({
  ...more,
  conditions: told.split(" ").map((one) => {
    const [, type = "", is = "", reason = "", generation = ""] =
      /^(\w+)=(\w+)\/(\w+)@(\d+)$/u.exec(one) ?? []
    return {
      type: type as "Ready",
      status: is as "True",
      reason,
      message: `about ${reason}`,
      lastTransitionTime: "2026-11-20T10:00:00Z",
      observedGeneration: Number(generation),
    }
  }),
})
const READY = status("Ready=True/Succeeded@1")
const FAILED = status("Ready=False/GitFailed@1")

const row = (
  name: string,
  now: RepositoryStatus = READY,
  spec: Readonly<Record<string, unknown>> = {},
  annotations: Readonly<Record<string, string>> = {},
): [string, Row] => [`apps/${name}`, rowOf(repository(name, { spec, annotations }), now)]

const why = (rows: Rows, sha = SHA) => problemsOf(rows, "apps/app", sha).map((one) => one.why)
const app = (...dependsOn: ReadonlyArray<string>) => row("app", {}, { dependsOn })
const mono = { url: "https://git.example/mono.git" }

describe("a repository that depends on others", () => {
  it.each<[string, ReadonlyArray<[string, Row]>, ReadonlyArray<string>]>([
    ["goes first if it depends on nobody", [app()], []],
    ["follows who is ready", [app("base"), row("base")], []],
    ["waits for who is missing", [app("base")], ["base does not exist"]],
    [
      "waits for all of them, and says so of each",
      [app("a", "b", "c"), row("a", FAILED), row("c")],
      ["a is not ready (GitFailed)", "b does not exist"],
    ],
    ["waits for who never ran", [app("base"), row("base", {})], ["base has not been synced yet"]],
    [
      "waits for who has a newer spec",
      [app("base"), row("base", status("Ready=True/Succeeded@0"))],
      ["base has not synced its newest spec yet"],
    ],
    [
      "waits for health where that is waited for",
      [app("base"), row("base", READY, { wait: true })],
      ["base is not healthy yet"],
    ],
    [
      "follows who is healthy",
      [
        app("base"),
        row("base", status("Ready=True/Succeeded@1 Healthy=True/Succeeded@1"), { wait: true }),
      ],
      [],
    ],
    [
      "waits for who only runs dry",
      [app("base"), row("base", READY, { dryRun: true })],
      ["base only runs dry"],
    ],
    [
      "follows who is suspended and was ready",
      [app("base"), row("base", status("Ready=True/Suspended@1"), { suspend: true })],
      [],
    ],
    [
      "waits until the same commit was applied, where they follow the same branch",
      [
        row("app", {}, { ...mono, dependsOn: ["base"] }),
        row("base", { ...READY, lastSyncedCommit: OLD }, mono),
      ],
      ["base has not applied aaaaaaa yet"],
    ],
    [
      "follows the same commit",
      [
        row("app", {}, { ...mono, dependsOn: ["base"] }),
        row("base", { ...READY, lastSyncedCommit: SHA }, mono),
      ],
      [],
    ],
    [
      "need not be at the commit of another branch",
      [
        row("app", {}, { ...mono, dependsOn: ["base"] }),
        row("base", { ...READY, lastSyncedCommit: OLD }, { ...mono, branch: "release" }),
      ],
      [],
    ],
    [
      "goes back by itself, whatever commit the others have",
      [
        row("app", {}, { ...mono, dependsOn: ["base"] }, { "nopea.io/rollback": `${OLD}..${SHA}` }),
        row("base", { ...READY, lastSyncedCommit: OLD }, mono),
      ],
      [],
    ],
    [
      "goes back only once they are ready",
      [
        row("app", {}, { ...mono, dependsOn: ["base"] }, { "nopea.io/rollback": `${OLD}..${SHA}` }),
        row("base", FAILED, mono),
      ],
      ["base is not ready (GitFailed)"],
    ],
    [
      "waits with a commit that they were rolled back from",
      [
        row("app", {}, { ...mono, dependsOn: ["base"] }),
        row("base", { ...READY, lastSyncedCommit: OLD, rollback: { from: SHA, to: OLD } }, mono),
      ],
      ["base was rolled back from aaaaaaa"],
    ],
    [
      "lets them look for a commit that came after the one they were rolled back from",
      [
        row("app", {}, { ...mono, dependsOn: ["base"] }),
        row(
          "base",
          { ...READY, lastSyncedCommit: OLD, rollback: { from: "c".repeat(40), to: OLD } },
          mono,
        ),
      ],
      ["base has not applied aaaaaaa yet"],
    ],
  ])("%s", (_, rows, expected) => expect(why(new Map(rows))).toEqual(expected))

  it("is needed by whom names it", () => {
    const rows = new Map([app("base"), row("base")])
    expect([isNeeded(rows, "apps/base"), isNeeded(rows, "apps/app")]).toEqual([true, false])
  })
})

describe("a circle", () => {
  const on = (name: string, ...dependsOn: ReadonlyArray<string>) => row(name, READY, { dependsOn })
  const told = (rows: Rows, name: string) => {
    const circle = circleOf(rows, `apps/${name}`)
    return circle && circleText(circle)
  }

  it("is told whole to every member, and to nobody else", () => {
    const rows = new Map([on("a", "b"), on("b", "x", "c"), on("c", "a"), on("x"), on("d", "a")])
    expect(["a", "b", "c", "x", "d"].map((name) => told(rows, name))).toEqual([
      "a -> b -> c -> a",
      "b -> c -> a -> b",
      "c -> a -> b -> c",
      undefined,
      undefined,
    ])
  })

  it("is found exactly where a way leads back, whatever the graph", () => {
    const names = ["a", "b", "c", "d", "e"]
    const graph = fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)))
    fc.assert(
      fc.property(graph, (edges) => {
        const next = Map.groupBy(edges, ([from]) => from)
        const reach = (name: string, seen: ReadonlySet<string> = new Set()): ReadonlySet<string> =>
          (next.get(name) ?? []).reduce(
            (all, [, to]) => (all.has(to) ? all : reach(to, new Set([...all, to]))),
            seen,
          )
        const bare = ([key, one]: [string, Row], dependsOn: ReadonlyArray<string>) =>
          [key, { ...one, dependsOn: dependsOn.map((to) => `apps/${to}`) }] as const
        const rows = new Map(
          names.map((name) =>
            bare(
              row(name),
              (next.get(name) ?? []).map(([, to]) => to),
            ),
          ),
        )
        for (const name of names) {
          const circle = circleOf(rows, `apps/${name}`)
          expect(circle !== undefined).toBe(reach(name).has(name))
          for (const [at, from] of (circle ?? []).slice(0, -1).entries())
            expect(rows.get(from)?.dependsOn).toContain(circle?.[at + 1])
        }
      }),
    )
  })
})

describe("the dependencies of a controller", () => {
  const given = (
    body: (w: {
      readonly d: Dependencies["Service"]
      readonly woken: Array<string>
      readonly add: (name: string, spec?: object, generation?: number) => void
      readonly ask: (
        name: string,
        over?: Partial<{ sha: string; isApplied: boolean; isOld: boolean }>,
      ) => string
    }) => void,
  ) =>
    Effect.runPromise(
      Effect.map(Dependencies, (d) => {
        const woken: Array<string> = []
        const specs = new Map<string, object>()
        const made = (name: string, generation = 1) =>
          repository(name, { spec: { ...specs.get(name) }, generation })
        body({
          d,
          woken,
          add: (name, spec = {}, generation = 1) => {
            specs.set(name, spec)
            d.register(
              made(name, generation),
              (asksGit) => void woken.push(asksGit ? `${name} asks` : name),
            )
          },
          ask: (name, over = {}) => {
            const wanted = { sha: SHA, isApplied: false, isOld: false, ...over }
            const answer = d.check(made(name), wanted)
            return Result.isSuccess(answer)
              ? "go"
              : `${answer.failure.code} ${answer.failure.reason}`
          },
        })
      }).pipe(Effect.provide(layer)),
    )

  it("wake who waits as soon as all are ready, and nobody before or without need", () =>
    given(({ d, woken, add, ask }) => {
      for (const name of ["a", "b"]) add(name)
      add("app", { dependsOn: ["a", "b"] })
      add("other", { dependsOn: ["a"] })
      woken.length = 0
      expect(ask("app")).toContain("NOPEA-C050 aaaaaaa waits for what it depends on: a has not")
      d.told("apps/a", READY)
      d.told("apps/a", { ...READY, phase: "Synced" })
      expect(woken).toEqual(["app"])
      expect(ask("app")).toContain("depends on: b has not been synced yet")
      d.told("apps/b", READY)
      expect(woken).toEqual(["app", "app"])
      expect(ask("app")).toBe("go")
      d.told("apps/b", FAILED)
      expect(woken).toEqual(["app", "app"])
    }))

  it("let what was applied be, and hold back what is new", () =>
    given(({ d, add, ask }) => {
      add("base")
      add("app", { dependsOn: ["base"] })
      d.told("apps/base", FAILED)
      expect(ask("app", { isApplied: true })).toBe("go")
      expect(ask("app", { sha: OLD })).toContain("base is not ready (GitFailed): about GitFailed")
      expect(ask("app", { isApplied: true, isOld: true })).toContain("bbbbbbb waits")
      d.told("apps/base", READY)
      expect(ask("app", { isApplied: true, isOld: true })).toBe("go")
    }))

  it("wake who waits for a GitRepository that did not exist, and for one that went", () =>
    given(({ d, woken, add, ask }) => {
      add("app", { dependsOn: ["base"] })
      expect(ask("app")).toContain("base does not exist")
      add("base")
      expect(woken).toEqual(["app"])
      expect(ask("app")).toContain("base has not been synced yet")
      d.drop("apps/base")
      expect(woken).toEqual(["app", "app"])
    }))

  it("wake a dependency that is needed from now on, and one that is behind", () =>
    given(({ d, woken, add, ask }) => {
      add("base", mono)
      d.told("apps/base", { ...READY, lastSyncedCommit: OLD })
      add("app", { ...mono, dependsOn: ["base"] })
      expect(woken).toEqual(["base"])
      expect(d.isNeeded("apps/base")).toBe(true)
      expect(ask("app")).toContain("base has not applied aaaaaaa yet")
      expect(woken).toEqual(["base", "base asks"])
      d.told("apps/base", { ...READY, lastSyncedCommit: SHA })
      expect(woken).toEqual(["base", "base asks", "app"])
    }))

  it("wake who waits for a commit that its dependency jumped over", () =>
    given(({ d, woken, add, ask }) => {
      add("base", mono)
      d.told("apps/base", { ...READY, lastSyncedCommit: OLD })
      add("app", { ...mono, dependsOn: ["base"] })
      expect(ask("app")).toContain("base has not applied aaaaaaa yet")
      woken.length = 0
      d.told("apps/base", { ...READY, lastSyncedCommit: OLD, phase: "Synced" })
      expect(woken).toEqual([])
      d.told("apps/base", { ...READY, lastSyncedCommit: "c".repeat(40) })
      expect(woken).toEqual(["app asks"])
    }))

  it("tell every member of a circle, also who was applied before, and let all go when it is cut", () =>
    given(({ d, woken, add, ask }) => {
      add("a", { dependsOn: ["b"] })
      add("b")
      d.told("apps/b", READY)
      expect(ask("a")).toBe("go")
      woken.length = 0
      add("b", { dependsOn: ["a"] }, 2)
      expect(woken).toEqual(["a"])
      expect(ask("a", { isApplied: true })).toBe(
        "NOPEA-C051 spec.dependsOn leads in a circle: a -> b -> a",
      )
      expect(ask("b")).toBe("NOPEA-C051 spec.dependsOn leads in a circle: b -> a -> b")
      add("b", {}, 3)
      expect(woken).toContain("a")
      expect(ask("a", { isApplied: true })).toBe("go")
    }))

  it("know nothing of an earlier life of a GitRepository", () =>
    given(({ d, add, ask }) => {
      add("app", { dependsOn: ["base"] })
      d.register(repository("base", { uid: "first" }), () => undefined)
      d.told("apps/base", READY)
      expect(ask("app")).toBe("go")
      d.register(repository("base", { uid: "second" }), () => undefined)
      expect(ask("app")).toContain("base has not been synced yet")
    }))
})
