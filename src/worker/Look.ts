/** The cluster's side of a sync: what is live, which of it drifted, and all that the plan has to know of that. */
import { Clock, Effect } from "effect"
import { probe } from "../apply/Prober.ts"
import { readLent } from "../apply/Rollouts.ts"
import { Cache } from "../cache/Cache.ts"
import { Claims } from "../cache/Claims.ts"
import { Live, type LiveSnapshot } from "../cache/Live.ts"
import type { GitError, KubeError, RenderError } from "../domain/errors.ts"
import { formatGroupKind, formatRef, type ObjectKey, parseGroupKind } from "../domain/object.ts"
import { ANNOTATION_APPROVE_PRUNE, type GitRepository } from "../domain/repository.ts"
import type { Commit } from "../domain/source.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import { inTurns } from "../domain/Turns.ts"
import { Kube } from "../kube/Kube.ts"
import { isOwnHash } from "../plan/drift.ts"
import {
  type Asked,
  askedAnew,
  type Judged,
  type Judgement,
  judging,
  type Pair,
  unsettled,
} from "../plan/judge.ts"
import { type LiveObject, withBaseline } from "../plan/live.ts"
import { type Placed, type PlaceInput, placing } from "../plan/placement.ts"
import type { PlanInput } from "../plan/plan.ts"
import type { Rules, Want } from "../plan/step.ts"
import type { Rendered } from "../render/Render.ts"
import { HashKey } from "./HashKey.ts"
import {
  appliedWhole,
  isApplied,
  isOvertaken,
  isTriedSince,
  type Journey,
  memoryFrom,
  rulesOf,
} from "./journey.ts"

export interface Seen {
  readonly input: PlanInput
  readonly placed: Placed
}

/** What a commit says, for the objects that Git changed while somebody else did. */
export type RenderAt = (sha: string) => Effect.Effect<Rendered, GitError | RenderError>

const namespacesOf = ({ metadata, spec }: GitRepository, rendered: Rendered) => [
  ...new Set([
    spec.targetNamespace ?? metadata.namespace,
    ...rendered.objects.map(({ ref }) => ref.namespace).filter((name) => name !== ""),
  ]),
]

const place = (input: PlaceInput): Effect.Effect<Placed> => inTurns(placing(input))

const judgeAll = (pairs: ReadonlyArray<Pair>, rules: Rules): Effect.Effect<Judgement> =>
  Effect.withSpan(inTurns(judging(pairs, rules)), "Look.judge")

const withSettled = (
  objects: ReadonlyMap<ObjectKey, LiveObject>,
  settled: ReadonlyArray<Judged>,
): ReadonlyMap<ObjectKey, LiveObject> => {
  if (settled.length === 0) return objects
  const after = new Map(objects)
  for (const { key, uid: _, ...baseline } of settled) {
    const live = after.get(key)
    if (live !== undefined) after.set(key, withBaseline(live, baseline))
  }
  return after
}

export const makeLook = Effect.gen(function* () {
  const kube = yield* Kube
  const live = yield* Live
  const cache = yield* Cache
  const claims = yield* Claims
  const hashKey = yield* HashKey

  const rulesFor = Effect.fnUntraced(function* (
    { repository, key }: Journey,
    status: RepositoryStatus | undefined,
  ) {
    const memory = (yield* cache.drift.get(key)) ?? memoryFrom(status)
    return rulesOf(repository, claims.others(key), yield* Clock.currentTimeMillis, memory)
  })

  /** Documents whose hash is that of the live object; where others wrote that hash, of the newest commit. */
  const lastApplied = Effect.fnUntraced(function* (
    { before }: Journey,
    asked: ReadonlyArray<Asked>,
    input: PlanInput,
    status: RepositoryStatus | undefined,
    renderAt: RenderAt,
  ) {
    const found = new Map<ObjectKey, string>()
    const wanted = asked.filter(({ asks }) => asks.includes("lastApplied"))
    const commits = [before?.commit.sha, status?.lastAttemptedCommit, status?.lastSyncedCommit]
    for (const sha of new Set(commits)) {
      if (sha === undefined || wanted.every(({ want }) => found.has(formatRef(want.ref)))) continue
      const rendered = yield* Effect.option(renderAt(sha))
      if (rendered._tag === "None") continue
      const { wants } = yield* place({ ...input, desired: rendered.value.objects })
      for (const { want, live: object } of wanted) {
        const key = formatRef(want.ref)
        const [last] = wants.get(key) ?? []
        if (last === undefined || found.has(key)) continue
        const isOfThis = object?.applied === last.hash || object === undefined
        if (isOfThis || !isOwnHash(object)) found.set(key, last.desired.json)
      }
    }
    return found
  })

  /**
   * After a restart that found another commit: what the commit applied last said. Where a policy leaves deletions,
   * what of that is absent was deleted, and is not news of Git.
   */
  const appliedAt = Effect.fnUntraced(function* (
    { repository }: Journey,
    input: PlanInput,
    status: RepositoryStatus | undefined,
    renderAt: RenderAt,
  ) {
    const sha = appliedWhole(repository, status)
    if (input.settled || sha === undefined) return input.applied
    const { wants } = yield* place(input)
    const { objects, unknown } = input.live
    const isAbsent = ([key, [want]]: readonly [ObjectKey, ReadonlyArray<Want>]): boolean =>
      want !== undefined && !objects.has(key) && !unknown.has(formatGroupKind(want.ref))
    if (![...wants].some(isAbsent)) return input.applied
    const rendered = yield* Effect.option(renderAt(sha))
    if (rendered._tag === "None") return input.applied
    const { wants: last } = yield* place({ ...input, desired: rendered.value.objects })
    const said = [...last].flatMap(([, [want]]) => (want === undefined || want.returns ? [] : want))
    return new Map(said.map(({ ref, hash }) => [formatRef(ref), hash]))
  })

  /** The input with everything that is asked about what drifted; most syncs ask nothing. */
  const investigate = Effect.fn("Look.investigate")(function* (
    journey: Journey,
    input: PlanInput,
    placed: Placed,
    renderAt: RenderAt,
    status: RepositoryStatus | undefined,
  ): Effect.fn.Return<PlanInput, KubeError> {
    const { key, identity, repository } = journey
    const first = yield* judgeAll(unsettled(placed, input.live, input.rules), input.rules)
    yield* live.settle(key, first.settled)
    const objects = withSettled(input.live.objects, first.settled)
    if (first.asked.length === 0 || repository.spec.dryRun)
      return { ...input, live: { ...input.live, objects } }
    const { asked } = first
    const { seen, ...probed } = yield* probe(kube, {
      caller: identity,
      owner: input.rules.owner,
      asked,
    })
    const last = yield* lastApplied(journey, asked, input, status, renderAt)
    const whole = new Map([...input.rules.evidence.whole, ...probed.whole])
    const rules: Rules = { ...input.rules, evidence: { ...probed, whole, lastApplied: last } }
    const again = asked.map(({ want, live: object }): Pair => {
      return [want, object ?? seen.get(formatRef(want.ref))]
    })
    const second = yield* judgeAll(
      again.filter(([, object]) => object !== undefined),
      rules,
    )
    yield* live.settle(key, second.settled)
    const all = withSettled(new Map([...objects, ...seen]), second.settled)
    return { ...input, rules, live: { ...input.live, objects: all } }
  })

  /** A Rollout that is not in Git bears no label of ours, so no watch tells of it: it is read. */
  const withLent = Effect.fnUntraced(function* (
    { identity }: Journey,
    input: PlanInput,
    placed: Placed,
  ): Effect.fn.Return<Seen> {
    const lent = [...placed.wants.values()].flat().find((want) => want.lent)
    if (lent === undefined) return { input, placed }
    const key = formatRef(lent.ref)
    const known = { last: input.applied.get(key), owner: input.rules.owner }
    const { want, found, barred } = yield* readLent(kube, identity, lent, known)
    const objects = new Map(input.live.objects)
    if (found === undefined) objects.delete(key)
    else objects.set(key, found.live)
    const whole = new Map(found === undefined ? [] : [[key, found.whole]])
    const rules = { ...input.rules, evidence: { ...input.rules.evidence, whole } }
    return {
      input: { ...input, rules, barred, live: { ...input.live, objects } },
      placed: { ...placed, wants: new Map([...placed.wants, [key, [want]]]) },
    }
  })

  return Effect.fn("Look.look")(function* (
    journey: Journey,
    commit: Commit,
    rendered: Rendered,
    renderAt: RenderAt,
  ) {
    const { repository, key, route, identity } = journey
    const status = (yield* cache.states.get(key)) ?? repository.status
    const wanted = rendered.objects.map(({ ref }) => formatGroupKind(ref))
    const kinds = [...new Set([...(status?.inventoryKinds ?? []), ...wanted])].map(parseGroupKind)
    const snapshot: LiveSnapshot = yield* live.snapshot({
      repository: key,
      kinds,
      freshness: route.freshness,
      caller: identity,
      namespaces: namespacesOf(repository, rendered),
    })
    const objects = route.freshness === "listed" ? askedAnew(snapshot.objects) : snapshot.objects
    const known = yield* cache.applied.get(key)
    const first: PlanInput = {
      rules: yield* rulesFor(journey, status),
      commit: commit.sha,
      approvedPrune: repository.metadata.annotations?.[ANNOTATION_APPROVE_PRUNE],
      desired: rendered.objects,
      complete: rendered.failures.length === 0 && !isOvertaken(journey),
      live: { objects, unknown: snapshot.unknown },
      kinds: yield* kube.discovery(),
      applied: known ?? new Map(),
      settled: isApplied(repository, status, commit) && !isTriedSince(journey, commit),
      formerly: status?.delegated,
      hashKey: yield* hashKey.get,
    }
    const applied = known ?? (yield* appliedAt(journey, first, status, renderAt))
    const input: PlanInput = { ...first, applied }
    const lent = yield* withLent(journey, input, yield* place(input))
    const seen = yield* investigate(journey, lent.input, lent.placed, renderAt, status)
    return { input: seen, placed: lent.placed } satisfies Seen
  })
})
