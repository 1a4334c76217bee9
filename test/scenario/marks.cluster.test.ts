// The annotations of docs/reference.md on applied objects, NOPEA's, Flux's and Argo CD's: what each does to an object that changes in Git, and then leaves it.
import { assert, describe, it } from "vitest"
import {
  configMapKey,
  explainFailure,
  gitRepository,
  requestSync,
  statusOf,
  world,
} from "./world.ts"

const here = world()
const FLUX = "kustomize.toolkit.fluxcd.io"
const ARGO = "argocd.argoproj.io/sync-options"

interface Mark {
  readonly name: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
  /** Put on the live object by hand. */
  readonly byHand?: object
  /** `value` after the change, and after the file left Git; null: there is no object. */
  readonly ends: readonly [changed: string | null, left: string | null]
}

const MARKS: ReadonlyArray<Mark> = [
  { name: "none", ends: ["new", null] },
  { name: "nopea-prune", annotations: { "nopea.io/prune": "disabled" }, ends: ["new", "new"] },
  { name: "flux-prune", annotations: { [`${FLUX}/prune`]: "disabled" }, ends: ["new", "new"] },
  { name: "flux-prune-label", labels: { [`${FLUX}/prune`]: "disabled" }, ends: ["new", "new"] },
  {
    name: "argo-prune",
    annotations: { [ARGO]: "Validate=false, Prune=false" },
    ends: ["new", "new"],
  },
  { name: "argo-confirm", annotations: { [ARGO]: "Prune=confirm" }, ends: ["new", "new"] },
  { name: "argo-delete", annotations: { [ARGO]: "Delete=false" }, ends: ["new", null] },
  { name: "flux-merge", annotations: { [`${FLUX}/ssa`]: "Merge" }, ends: ["new", null] },
  { name: "flux-once", annotations: { [`${FLUX}/ssa`]: "IfNotPresent" }, ends: ["old", null] },
  { name: "flux-ignore", annotations: { [`${FLUX}/ssa`]: "Ignore" }, ends: [null, null] },
  { name: "flux-off", annotations: { [`${FLUX}/reconcile`]: "disabled" }, ends: [null, null] },
  {
    name: "flux-off-live",
    byHand: { annotations: { [`${FLUX}/reconcile`]: "disabled" } },
    ends: ["old", "old"],
  },
  {
    name: "flux-off-live-label",
    byHand: { labels: { [`${FLUX}/reconcile`]: "disabled" } },
    ends: ["old", "old"],
  },
  {
    name: "brake",
    byHand: { annotations: { "nopea.io/suspend-heal": "true" } },
    ends: ["old", "old"],
  },
]

const filesOf = (value: string): Record<string, string> =>
  Object.fromEntries(
    MARKS.map(({ name, annotations = {}, labels = {} }) => [
      `${name}.json`,
      JSON.stringify({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, annotations, labels },
        data: { value },
      }),
    ]),
  )

const live = async (): Promise<Record<string, string | null>> => {
  const found = MARKS.map(async ({ name }) => {
    const object = await here.api.get(configMapKey(here.namespace, name))
    return [name, object?.data.value ?? null] as const
  })
  return Object.fromEntries(await Promise.all(found))
}
const expected = (end: 0 | 1) =>
  Object.fromEntries(MARKS.map(({ name, ends }) => [name, ends[end]]))

describe("docs/reference.md, annotations on an applied object", () => {
  it("each does what the page says", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("marks")
    const synced = (commit: string) =>
      statusOf(here, "marks", `tried ${commit}`, (status) => status.lastSyncedCommit === commit)
    const first = await repo.commit(filesOf("old"))
    await here.api.apply(gitRepository(here, "marks", repo.url, { pruneLimit: "100%" }))
    await synced(first)
    for (const { name, byHand } of MARKS) {
      if (byHand === undefined) continue
      await here.api.patch(configMapKey(here.namespace, name), { metadata: byHand })
    }
    const second = await repo.commit(filesOf("new"))
    await requestSync(here, "marks")
    await synced(second)
    assert.deepStrictEqual(await live(), expected(0))
    const gone = Object.fromEntries(MARKS.map(({ name }) => [`${name}.json`, null]))
    const third = await repo.commit({ ...gone, "empty.yaml": "# nothing\n" })
    await requestSync(here, "marks")
    await synced(third)
    assert.deepStrictEqual(await live(), expected(1))
  })
})
