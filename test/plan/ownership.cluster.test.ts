// The walk over field sets on a real API server: nothing is missing of what was applied, and what is taken is found.
import { randomBytes } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  canonical,
  type Json,
  type JsonObject,
  type ManagedFieldsEntry,
} from "../../src/domain/object.ts"
import { added, takeAdded } from "../../src/plan/additions.ts"
import {
  type Field,
  type FieldPath,
  formatPath,
  type Location,
  locate,
  valueAt,
} from "../../src/plan/fields.ts"
import { holderOf, ownSet } from "../../src/plan/holders.ts"
import { missing } from "../../src/plan/ownership.ts"
import { stampedTree } from "../../src/plan/stamp.ts"
import { ApiFailure, type KubeObject } from "../cluster/Api.ts"
import { connect, freshNamespace } from "../cluster/connect.ts"
import { type Change, make as carryOut, changesOf, WAYS, type Way } from "./corpus/changes.ts"
import { clusterScoped } from "./corpus/clusterScoped.ts"
import { definitions, resources } from "./corpus/custom.ts"
import { type Made, make } from "./corpus/make.ts"
import { namespaced } from "./corpus/namespaced.ts"
import { workloads } from "./corpus/workloads.ts"

const api = connect()
const id = `corpus-${randomBytes(4).toString("hex")}`
const namespace = freshNamespace(api, "corpus")
const owner = { namespace: "team", name: "shop", uid: "u1" }
const SEED = 20261121

interface Applied {
  readonly name: string
  readonly tree: JsonObject
  readonly custom: boolean
  /** As the API server answered the apply. */
  readonly live: KubeObject
}
const applied: Array<Applied> = []

const entriesOf = (live: KubeObject): ReadonlyArray<ManagedFieldsEntry> =>
  live.metadata["managedFields"]
const judge = ({ tree, custom }: Applied, live: KubeObject) =>
  missing(tree, ownSet(entriesOf(live)), { custom })
const texts = (fields: ReadonlyArray<Field>) => fields.map(({ path }) => formatPath(path))

const ours = (tree: JsonObject): Promise<KubeObject> =>
  api.apply(tree as never, { fieldManager: "nopea", force: true })

const apply = async (made: Made, isNamespaced: boolean): Promise<Applied> => {
  const stamp = { namespace: isNamespaced ? namespace : "", owner, hash: "v1:x" }
  const tree = stampedTree({ json: JSON.stringify(made) }, stamp)
  const custom = made.apiVersion.startsWith(id)
  return { name: `${made.kind} ${made.metadata.name}`, tree, custom, live: await ours(tree) }
}

const together = async <A, B>(
  all: ReadonlyArray<A>,
  each: (one: A) => Promise<B>,
): Promise<ReadonlyArray<B>> => {
  const results: Array<B> = []
  for (let i = 0; i < all.length; i += 16)
    results.push(...(await Promise.all(all.slice(i, i + 16).map(each))))
  return results
}

/** The definitions come last, so that a change of them disturbs nothing. */
beforeAll(async () => {
  for (const made of definitions(id)) await api.applyDefinition(made as never)
  const inside = [...namespaced, ...workloads, ...resources(id)]
  applied.push(...(await together(inside, (made) => apply(made, true))))
  const outside = [...clusterScoped(id), ...definitions(id)]
  applied.push(...(await together(outside, (made) => apply(made, false))))
})
afterAll(() =>
  together([...clusterScoped(id), ...definitions(id)], (made) => api.delete(made as never)),
)

/** Moves what people added to our entry; controllers that write at the same time make us look again. */
const take = async (tree: JsonObject): Promise<void> => {
  const live = await api.get(tree as never)
  const paths = added(tree, entriesOf(live)).map(({ path }) => path)
  const patch = takeAdded(live.metadata, String(tree["apiVersion"]), paths)
  if (patch === undefined) return
  const call = { body: patch, contentType: "application/json-patch+json" }
  const { status } = await api.call("PATCH", await api.path(tree as never), call)
  if (status === 422) return take(tree)
  expect(status).toBe(200)
}

/** What people added goes too: defaults that they brought about may stand in the way of what we say. */
const heal = async ({ tree }: Applied): Promise<KubeObject> => {
  await take(tree)
  return ours(tree)
}

const same = (a: Json | undefined, b: Json | undefined): boolean =>
  canonical(a ?? null) === canonical(b ?? null)
const valueIn = (live: KubeObject, path: FieldPath): Json | undefined => {
  const tree = live as unknown as Json
  return valueAt(tree, locate(tree, path) ?? ["no such place"])
}
const isRelated = (a: Location, b: Location): boolean =>
  a.every((step, i) => i >= b.length || step === b[i])

interface Taken {
  readonly change: Change
  readonly before: KubeObject
  readonly live: KubeObject
}

/** The first change that the API server takes, and that changes something. */
const taken = async (one: Applied, way: Way, seed: number): Promise<Taken> => {
  let before = await ours(one.tree)
  const set = ownSet(entriesOf(before)) ?? {}
  for (const change of changesOf(one.tree, set, way, seed)) {
    const live = await carryOut(api, one.tree, before, change).catch((cause: unknown) => {
      if (cause instanceof ApiFailure) return undefined
      throw cause
    })
    if (live === undefined) continue
    const { path } = change.field
    if (!same(valueIn(before, path), valueIn(live, path))) return { change, before, live }
    before = await heal(one)
  }
  throw new Error(`${one.name}: the API server took no change at all`)
}

/** What is wrong with what was found of a change; nothing where it was found, with its author, and nothing else. */
const verdict = (one: Applied, way: Way, { change, before, live }: Taken): string | undefined => {
  const { path, at } = change.field
  const found = judge(one, live)
  const usual = texts(judge(one, before).unsure)
  const doubts = found.unsure.filter((field) => !usual.includes(formatPath(field.path)))
  const isHit = (field: Field) => isRelated(field.at, at)
  const isFalse = (field: Field) =>
    !isHit(field) && same(valueIn(before, field.path), valueIn(live, field.path))
  const by = way === "apply" ? "intruder Apply" : "kubectl-edit Update"
  const isBlamed = (field: Field) => {
    const author = holderOf(field.path, entriesOf(live))
    if (author === undefined) return way === "remove" || valueIn(live, path) === undefined
    return `${author.manager} ${author.operation}` === by
  }
  const isFound =
    [...found.missing, ...doubts].some(isHit) && (one.custom || found.missing.some(isHit))
  if (isFound && !found.missing.some(isFalse) && found.missing.every(isBlamed)) return undefined
  return `${one.name}: ${formatPath(path)} found as ${[...texts(found.missing), "?", ...texts(doubts)].join(" ")}`
}

describe("the corpus", () => {
  it("is wide", () => {
    expect(applied.length).toBeGreaterThan(150)
    const kinds = new Set(applied.map(({ tree }) => `${tree["apiVersion"]} ${tree["kind"]}`))
    expect(kinds.size).toBeGreaterThan(50)
  })

  it("owns all that was applied; only empty lists, and maps of custom resources, are in doubt", () => {
    const isNothing = (value: Json | undefined) => Array.isArray(value) && value.length === 0
    const wrong = applied.flatMap((one) => {
      const { missing: lost, unsure } = judge(one, one.live)
      const odd = unsure.filter(({ at }) => !one.custom && !isNothing(valueAt(one.tree, at)))
      return [...lost, ...odd].map(({ path }) => `${one.name}: ${formatPath(path)}`)
    })
    expect(wrong).toEqual([])
  })

  for (const way of WAYS) {
    it(`tells what somebody took by ${way}, and who, and gets it back`, async () => {
      const seeded = applied.map((one, i) => ({ one, seed: SEED + i }))
      const wrong = await together(seeded, async ({ one, seed }) => {
        const found = verdict(one, way, await taken(one, way, seed))
        const left = texts(judge(one, await heal(one)).missing)
        return [
          ...(found === undefined ? [] : [found]),
          ...left.map((text) => `${one.name}: ${text} stays`),
        ]
      })
      expect(wrong.flat()).toEqual([])
    }, 240_000)
  }
})

describe("what people add", () => {
  const spec = {
    replicas: 0,
    selector: { matchLabels: { app: "added" } },
    template: {
      metadata: { labels: { app: "added" } },
      spec: { containers: [{ name: "web", image: "web:1", ports: [{ containerPort: 53 }] }] },
    },
  }
  const edit = {
    spec: {
      template: {
        metadata: { annotations: { note: "x" } },
        spec: {
          nodeSelector: { disk: "ssd" },
          containers: [
            { name: "sidecar", image: "sidecar:1" },
            { name: "web", env: [{ name: "DEBUG", value: "1" }] },
          ],
        },
      },
    },
  }
  const restart = {
    spec: {
      template: {
        metadata: { annotations: { "kubectl.kubernetes.io/restartedAt": "2026-11-20" } },
      },
    },
  }

  /** A strategic merge patch would make one port of both. */
  const port = {
    op: "add",
    path: "/spec/template/spec/containers/0/ports/-",
    value: { containerPort: 53, protocol: "UDP" },
  }

  it("is found beside a restart, and goes, and the restart stays", async () => {
    const one = await apply(make("apps/v1 Deployment added", { spec }), true)
    const key = one.live as never
    await api.patch(key, restart, { fieldManager: "kubectl-rollout", type: "strategic" })
    expect(added(one.tree, entriesOf(await api.get(key)))).toEqual([])
    await api.patch(key, [port], { fieldManager: "kubectl-patch", type: "json" })
    const live = await api.patch(key, edit, { fieldManager: "kubectl-edit", type: "strategic" })
    const found = added(one.tree, entriesOf(live))
    expect(found.map(({ path }) => formatPath(path)).sort()).toEqual([
      "spec.template.metadata.annotations.note",
      "spec.template.spec.containers[name=sidecar]",
      "spec.template.spec.containers[name=web].env",
      "spec.template.spec.containers[name=web].ports[containerPort=53,protocol=UDP]",
      "spec.template.spec.nodeSelector",
    ])
    expect(new Set(found.map(({ author }) => author.manager))).toEqual(
      new Set(["kubectl-edit", "kubectl-patch"]),
    )
    expect(texts(judge(one, live).missing)).toEqual([])
    const healed = await heal(one)
    const { annotations } = healed["spec"].template.metadata
    const { containers, nodeSelector } = healed["spec"].template.spec
    expect(annotations).toEqual(restart.spec.template.metadata.annotations)
    expect(containers).toHaveLength(1)
    expect(containers[0]).toMatchObject({ name: "web", image: "web:1" })
    expect(containers[0]).not.toHaveProperty("env")
    expect(containers[0].ports).toEqual([{ containerPort: 53, protocol: "TCP" }])
    expect(nodeSelector).toBeUndefined()
    expect(added(one.tree, entriesOf(healed))).toEqual([])
  })
})
