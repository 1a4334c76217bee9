// What a worker does between render and report, in short: look, plan, apply; over any Kube.

import { Effect, Layer, type Redacted } from "effect"
import { Applier, type ApplyResult, layer as applierLayer } from "../../src/apply/Applier.ts"
import { Claims, layer as claimsLayer } from "../../src/cache/Claims.ts"
import { Live } from "../../src/cache/Live.ts"
import { layer as liveLayer } from "../../src/controller/LiveIndex.ts"
import type { KubeError } from "../../src/domain/errors.ts"
import {
  type DesiredObject,
  formatRef,
  type KubeObject,
  parseGroupKind,
} from "../../src/domain/object.ts"
import { type Caller, Kube } from "../../src/kube/Kube.ts"
import { appliedAfter } from "../../src/plan/after.ts"
import { NO_EVIDENCE, NO_MEMORY } from "../../src/plan/evidence.ts"
import type { Owner } from "../../src/plan/live.ts"
import { makePlan, type Plan } from "../../src/plan/plan.ts"
import type { Policy } from "../../src/plan/step.ts"
import { COMMIT, KEY, manifest, POLICY } from "../plan/words.ts"

export interface Repository {
  readonly owner: Owner
  policy: Partial<Policy>
  caller?: Caller
  kinds: ReadonlyArray<string>
  /** Every announcement, in order. */
  readonly announced: Array<ReadonlyArray<string>>
  /** What the sync knows of its last applies, as the cache does. */
  applied: ReadonlyMap<string, string>
  readonly hashKey?: Redacted.Redacted<Uint8Array>
}

export const repository = (owner: Owner, policy: Partial<Policy> = {}): Repository => ({
  owner,
  policy,
  kinds: [],
  announced: [],
  applied: new Map(),
})

export interface Synced extends ApplyResult {
  readonly plan: Plan
  /** `created /ConfigMap/shop/a`, sorted; with the code where there is one. */
  readonly lines: ReadonlyArray<string>
}

export interface SyncOptions {
  readonly freshness?: "listed" | "known"
  readonly complete?: boolean
  readonly now?: number
}

const keyOf = ({ owner }: Repository): string => `${owner.namespace}/${owner.name}`

const isDesired = (object: KubeObject | DesiredObject): object is DesiredObject =>
  "digest" in object && "json" in object

/** One sync of a repository whose commit holds `objects`. */
export const sync = (
  repo: Repository,
  objects: ReadonlyArray<KubeObject | DesiredObject>,
  { freshness = "listed", complete = true, now = 0 }: SyncOptions = {},
): Effect.Effect<Synced, KubeError, Kube | Live | Claims | Applier> =>
  Effect.gen(function* () {
    const kube = yield* Kube
    const live = yield* Live
    const claims = yield* Claims
    const applier = yield* Applier
    const desired = objects.map((o, i) => (isDesired(o) ? o : manifest(o, i + 1)))
    const kinds = [...repo.kinds.map(parseGroupKind), ...desired.map((d) => d.ref)]
    const seen = yield* live.snapshot({
      repository: keyOf(repo),
      kinds,
      freshness,
      caller: { budget: keyOf(repo) },
      namespaces: [...new Set(desired.map(({ ref }) => ref.namespace))],
    })
    const discovery = yield* kube.discovery()
    const plan = makePlan({
      rules: {
        owner: repo.owner,
        policy: { ...POLICY, ...repo.policy },
        others: claims.others(keyOf(repo)),
        now,
        memory: NO_MEMORY,
        evidence: NO_EVIDENCE,
      },
      commit: COMMIT,
      desired,
      complete,
      live: seen,
      kinds: discovery,
      applied: repo.applied,
      settled: false,
      hashKey: repo.hashKey ?? KEY,
    })
    claims.declare(repo.owner, { wants: plan.claimed, isWhole: complete, startedAt: now })
    const result = yield* applier.run({
      repository: keyOf(repo),
      caller: repo.caller ?? { budget: keyOf(repo) },
      plan,
      inventoryKinds: repo.kinds,
      announce: (all) => Effect.sync(() => void repo.announced.push(all)),
    })
    repo.kinds = result.inventoryKinds
    repo.applied = appliedAfter(plan, result.changes)
    const lines = result.changes
      .map((c) => {
        const code = (c.failure ?? c.note)?.code.replace("NOPEA-", "")
        const line = `${c.action} ${formatRef(c.ref)}`
        return code === undefined ? line : `${line} ${code}`
      })
      .sort()
    return { ...result, plan, lines }
  })

/** Applier and live index over a Kube. */
export const applying = <A, E, R>(
  kube: Layer.Layer<Kube | A, E, R>,
): Layer.Layer<Kube | Live | Claims | Applier | A, E, R> =>
  applierLayer.pipe(
    Layer.provideMerge(Layer.mergeAll(liveLayer(), claimsLayer)),
    Layer.provideMerge(kube),
  )
