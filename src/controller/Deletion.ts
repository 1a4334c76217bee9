/** Deletes the objects of a GitRepository that is being deleted: in reverse order, as its account, within a bound. */
import { Clock, Context, Duration, Effect, Layer, Result, Schedule } from "effect"
import { deleteObject } from "../apply/Objects.ts"
import type { Run } from "../apply/Requests.ts"
import { Cache } from "../cache/Cache.ts"
import { Claims } from "../cache/Claims.ts"
import { Live, type LiveSnapshot } from "../cache/Live.ts"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatGroupKind, formatRef, type GroupKind, parseGroupKind } from "../domain/object.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { Kube } from "../kube/Kube.ts"
import { type Farewell, isRefused, leftBy } from "../plan/deletion.ts"
import { NO_EVIDENCE, NO_MEMORY } from "../plan/evidence.ts"
import { isOurs, keptBack } from "../plan/inventory.ts"
import type { LiveObject } from "../plan/live.ts"
import { pruneStages } from "../plan/order.ts"
import { type IdentityRules, identityOf } from "../worker/identity.ts"

const AT_ONCE = 32
/** How long others may take to say whether they want the objects. */
const ASKING = Duration.seconds(15)
/** A delete that is refused is tried this often; one that gets no answer, until the bound. */
const REFUSALS = 3
const LOOK = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

export class Deletion extends Context.Service<
  Deletion,
  {
    /** Takes at most `spec.timeout`. The worker has stopped. */
    readonly run: (repository: GitRepository) => Effect.Effect<Farewell>
  }
>()("nopea/controller/Deletion") {}

/** What is known so far; also what is answered when the time is over. */
interface Ledger {
  deleted: number
  readonly handedOver: Map<string, string>
  readonly left: Map<string, string>
}

const everything = (why: string): Farewell => ({
  deleted: 0,
  handedOver: new Map(),
  left: new Map([["all its objects", why]]),
})

const make = (identityRules: IdentityRules) =>
  Effect.gen(function* () {
    const kube = yield* Kube
    const live = yield* Live
    const cache = yield* Cache
    const claims = yield* Claims

    /** Where the status is lost, every kind that can be listed and deleted. */
    const kindsOf = Effect.fnUntraced(function* (repository: GitRepository) {
      const status = (yield* cache.states.get(keyOf(repository))) ?? repository.status
      if (status?.inventoryKinds !== undefined) return status.inventoryKinds.map(parseGroupKind)
      const { types } = yield* kube.discovery("refresh")
      return types.filter(({ verbs }) => verbs.includes("list") && verbs.includes("delete"))
    })

    const snapshot = (
      run: Run,
      kinds: ReadonlyArray<GroupKind>,
    ): Effect.Effect<LiveSnapshot, KubeError> =>
      live.snapshot({
        repository: run.repository,
        kinds,
        freshness: "listed",
        isPassing: true,
        caller: run.caller,
        namespaces: [],
      })

    /** Whether another GitRepository has it in Git: also one that said so only after this began. */
    const isPassedOn = (run: Run, ledger: Ledger, { ref }: Pick<LiveObject, "ref">): boolean => {
      const to = run.rules.others.wantedBy(formatRef(ref))
      if (to === undefined) return false
      ledger.handedOver.set(formatRef(ref), to)
      ledger.left.delete(formatRef(ref))
      return true
    }

    /** Sorts out what stays; answers what is to be deleted. */
    const candidates = (run: Run, ledger: Ledger, { objects, unknown }: LiveSnapshot) => {
      for (const kind of unknown) ledger.left.set(`all of ${kind}`, "the kind cannot be listed")
      return [...objects.values()].filter((object) => {
        if (!isOurs(object, run.rules.owner)) return false
        if (isPassedOn(run, ledger, object)) return false
        const kept = keptBack(object, run.rules.now)
        if (kept !== undefined) ledger.left.set(...leftBy(kept))
        return kept === undefined
      })
    }

    /** One try; answers what is worth another. */
    const attempt = Effect.fnUntraced(function* (
      run: Run,
      ledger: Ledger,
      stage: ReadonlyArray<LiveObject>,
    ) {
      const changes = yield* Effect.forEach(stage, (object) => deleteObject(run, object), {
        concurrency: AT_ONCE,
      })
      return changes.flatMap((change, i) => {
        const object = stage[i]
        if (change.action === "deleted") {
          ledger.left.set(formatRef(change.ref), "it is still being deleted: see its finalizers")
          return []
        }
        if (isPassedOn(run, ledger, change)) return []
        ledger.left.set(...leftBy(change))
        return object === undefined || change.failure === undefined ? [] : [{ object, change }]
      })
    })

    const deleteStage = Effect.fnUntraced(function* (
      run: Run,
      ledger: Ledger,
      stage: ReadonlyArray<LiveObject>,
    ) {
      let rest = stage.filter(({ terminating }) => !terminating)
      for (let round = 1; rest.length > 0; round++) {
        const failed = yield* attempt(run, ledger, rest)
        rest = failed
          .filter(({ change }) => round < REFUSALS || !isRefused(change))
          .map(({ object }) => object)
        if (rest.length > 0) yield* Effect.sleep(Math.min(500 * 2 ** round, 10_000))
      }
    })

    /** Strikes out what is gone; whether nothing of the stage is left that was taken to be deleted. */
    const strike = Effect.fnUntraced(function* (
      run: Run,
      ledger: Ledger,
      stage: ReadonlyArray<LiveObject>,
    ) {
      const kinds = [...new Map(stage.map(({ ref }) => [formatGroupKind(ref), ref])).values()]
      const { objects, unknown } = yield* snapshot(run, kinds)
      const isThere = ({ ref, uid }: LiveObject) =>
        unknown.has(formatGroupKind(ref)) || objects.get(formatRef(ref))?.uid === uid
      const gone = stage.filter((object) => !isThere(object))
      for (const { ref } of gone) if (ledger.left.delete(formatRef(ref))) ledger.deleted++
      return stage.every((o) => !isThere(o) || objects.get(formatRef(o.ref))?.terminating !== true)
    })

    /** What a stage holds on to must not take the time of the stages behind it. */
    const clearStage = Effect.fnUntraced(function* (
      run: Run,
      ledger: Ledger,
      stage: ReadonlyArray<LiveObject>,
      atMost: number,
    ) {
      const cleared = Effect.andThen(
        deleteStage(run, ledger, stage),
        Effect.repeat(strike(run, ledger, stage), { schedule: LOOK, until: (done) => done }),
      )
      yield* Effect.timeoutOption(Effect.retry(cleared, LOOK), atMost)
    })

    const work = Effect.fnUntraced(function* (
      run: Run,
      ledger: Ledger,
      repository: GitRepository,
      until: number,
    ) {
      const kinds = yield* kindsOf(repository)
      const seen = yield* snapshot(run, kinds)
      const mine = [...seen.objects.values()].filter((o) => isOurs(o, run.rules.owner))
      const asking = Duration.min(ASKING, Duration.times(repository.spec.timeout, 0.25))
      yield* claims.ask(
        run.repository,
        mine.map(({ ref }) => formatRef(ref)),
        asking,
      )
      const stages = pruneStages(candidates(run, ledger, seen))
      for (const { ref } of stages.flat()) {
        ledger.left.set(formatRef(ref), "spec.timeout was over before it could be deleted")
      }
      for (const [i, stage] of stages.entries()) {
        const time = until - (yield* elapsedMillis)
        yield* clearStage(run, ledger, stage, Math.max(time / (stages.length - i), 0))
      }
    })

    const openRun = (repository: GitRepository, now: number): Run | string => {
      const identity = identityOf(repository, identityRules)
      if (Result.isFailure(identity)) return identity.failure.reason
      const { metadata, spec } = repository
      const owner = { namespace: metadata.namespace, name: metadata.name, uid: metadata.uid }
      const key = keyOf(repository)
      const known = { others: claims.others(key), now, memory: NO_MEMORY, evidence: NO_EVIDENCE }
      const rules = { owner, policy: spec, ...known }
      return { kube, live, claims, repository: key, caller: identity.success, rules }
    }

    const run = Effect.fn("Deletion.run")(function* (repository: GitRepository) {
      const startedAt = yield* elapsedMillis
      const opened = openRun(repository, yield* Clock.currentTimeMillis)
      if (typeof opened === "string") return everything(opened)
      claims.register(repository, () => {})
      claims.retire(opened.repository)
      claims.declare(opened.rules.owner, { wants: new Set(), isWhole: true, startedAt })
      const ledger: Ledger = { deleted: 0, handedOver: new Map(), left: new Map() }
      const limit = Duration.toMillis(repository.spec.timeout)
      let trouble = "the API server did not answer in time"
      const done = yield* work(opened, ledger, repository, startedAt + limit * 0.9).pipe(
        Effect.tapError(({ reason }) =>
          Effect.sync(() => {
            trouble = reason
          }),
        ),
        Effect.retry(LOOK),
        Effect.timeoutOption(limit),
        Effect.orElseSucceed(() => undefined),
      )
      const isBlind = done?._tag !== "Some" && ledger.left.size === 0 && ledger.deleted === 0
      return isBlind ? everything(trouble) : ledger
    })

    return Deletion.of({ run })
  })

export const layer = (
  identityRules: IdentityRules,
): Layer.Layer<Deletion, never, Kube | Live | Cache | Claims> =>
  Layer.effect(Deletion, make(identityRules))
