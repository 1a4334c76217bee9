/** The spine: git -> render -> plan -> apply. It gathers and hands on; it never decides. */
import { Clock, Duration, Effect, Layer } from "effect"
import { Applier } from "../apply/Applier.ts"
import { Cache } from "../cache/Cache.ts"
import { Claims } from "../cache/Claims.ts"
import type { Dependencies } from "../cache/Dependencies.ts"
import type { Live } from "../cache/Live.ts"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { SyncError } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { keyOf } from "../domain/repository.ts"
import { isSameRollback, rollbackOf } from "../domain/rollback.ts"
import type { Commit } from "../domain/source.ts"
import { inTurns } from "../domain/Turns.ts"
import { Git } from "../git/Git.ts"
import type { Kube } from "../kube/Kube.ts"
import { appliedAfter, appliedWhile } from "../plan/after.ts"
import { refusedIn } from "../plan/claims.ts"
import { memoryAfter } from "../plan/evidence.ts"
import { idleKeys, type Plan, planning, withoutPrune } from "../plan/plan.ts"
import { Render } from "../render/Render.ts"
import { Reporter } from "../report/Reporter.ts"
import { inRollback } from "./Commits.ts"
import { makeCourse } from "./Course.ts"
import { Credentials } from "./Credentials.ts"
import type { HashKey } from "./HashKey.ts"
import { type IdentityRules, identityOf } from "./identity.ts"
import {
  answerOf,
  begun,
  isForeseen,
  isOvertaken,
  type Journey,
  timedOut,
  unaskedIn,
} from "./journey.ts"
import { makeKept } from "./kept.ts"
import { makeLook, type RenderAt, type Seen } from "./Look.ts"
import { outcomeOf, untouched } from "./outcome.ts"
import { isFromMirror, routeOf } from "./route.ts"
import { Syncer, type SyncRequest } from "./Syncer.ts"

/** How long deletes, and with them the whole sync, wait for other repositories to look into their Git. */
const ASKING = Duration.seconds(5)

const placeOf = ({ repository }: Journey, sha: string): string => `${sha} ${repository.spec.path}`

const make = (identityRules: IdentityRules) =>
  Effect.gen(function* () {
    const git = yield* Git
    const render = yield* Render
    const cache = yield* Cache
    const claims = yield* Claims
    const applier = yield* Applier
    const reporter = yield* Reporter
    const credentials = yield* Credentials
    const look = yield* makeLook
    const kept = makeKept()

    const renderOnly = Effect.fnUntraced(function* (journey: Journey, sha: string) {
      const { source, repository, key } = journey
      const { path } = repository.spec
      const entries = yield* Effect.mapError(git.files(source, sha, path), inRollback(journey))
      const read = (blobs: ReadonlyArray<string>) => git.read(source, sha, blobs)
      const everything = git.files(source, sha, ".")
      return yield* render.render({ subject: key, path, entries, everything, read })
    })

    const renderAt =
      (journey: Journey): RenderAt =>
      (sha) => {
        const known = kept.get(journey.key, placeOf(journey, sha))
        return known === undefined ? renderOnly(journey, sha) : Effect.succeed(known)
      }

    const renderCommit = Effect.fn("Sync.render")(function* (journey: Journey, { sha }: Commit) {
      const rendered = yield* renderAt(journey)(sha)
      kept.set(journey.key, placeOf(journey, sha), rendered)
      return rendered
    })

    const course = yield* makeCourse(renderCommit)

    /** Says what is wanted here before anything is written; asks what others want before anything is deleted. */
    const planCommit = Effect.fn("Sync.plan")(function* (journey: Journey, seen: Seen) {
      const { key, startedAt, repository } = journey
      const { input, placed } = seen
      const { rules, complete: isWhole } = input
      const plan = yield* inTurns(planning(input, placed))
      if (repository.spec.dryRun) return plan
      const said = { wants: plan.claimed, idle: idleKeys(placed), isWhole, startedAt }
      if (!isForeseen(journey))
        claims.declare(rules.owner, { ...said, isFromMirror: isFromMirror(journey.route) })
      if (plan.leaving.length === 0) return plan
      const isKnown = yield* claims.ask(key, plan.leaving, ASKING)
      return isKnown ? yield* inTurns(planning(input, placed)) : withoutPrune(plan)
    })

    const trackedKinds = ({ repository }: Journey) =>
      Effect.map(course.statusOf(repository), (status) => status?.inventoryKinds ?? [])

    const applyPlan = Effect.fn("Sync.apply")(function* (
      journey: Journey,
      plan: Plan,
      { input }: Seen,
    ) {
      const { repository, identity, key, startedAt } = journey
      const { applied } = input
      if (applied.size > 0) yield* cache.applied.set(key, appliedWhile(plan, applied))
      const result = yield* applier.run({
        caller: identity,
        repository: key,
        plan,
        inventoryKinds: yield* trackedKinds(journey),
        announce: (kinds) => reporter.announceKinds(repository, kinds),
      })
      claims.refused(key, refusedIn(result.changes), startedAt)
      // Both, whoever interrupts: a heal that is forgotten while its object is known tells of no opponent.
      yield* Effect.gen(function* () {
        yield* cache.applied.set(key, appliedAfter(plan, result.changes, applied))
        yield* Effect.yieldNow
        const now = yield* Clock.currentTimeMillis
        yield* cache.drift.set(key, memoryAfter(plan.rules.memory, result.changes, now, plan))
      }).pipe(Effect.uninterruptible)
      return result
    })

    const work = Effect.fnUntraced(function* (journey: Journey, commit: Commit) {
      const { key, repository, before, rollback } = journey
      const unasked = unaskedIn(journey)
      const row = begun(journey, commit)
      const rendered = yield* renderCommit(journey, commit)
      const seen = yield* look(journey, commit, rendered, renderAt(journey))
      const plan = yield* planCommit(journey, seen)
      yield* cache.commits.set(key, row)
      const result = repository.spec.dryRun
        ? { changes: plan.settled, inventoryKinds: yield* trackedKinds(journey) }
        : yield* applyPlan(journey, plan, seen)
      yield* Effect.yieldNow
      const known = { repository, commit, before, unasked, rollback }
      const outcome = outcomeOf({ ...known, rendered, plan, result })
      const clean = outcome.failures.length === 0 && !isOvertaken(journey)
      yield* cache.commits.set(key, { ...row, clean })
      return outcome
    })

    const isSettled = ({ route, before, repository, rollback }: Journey, commit: Commit) =>
      route.mayEndEarly &&
      before?.clean === true &&
      before.commit.sha === commit.sha &&
      isSameRollback(before.rollback, rollback) &&
      before.generation === repository.metadata.generation

    const run = Effect.fnUntraced(function* (request: SyncRequest) {
      const { repository, trigger } = request
      const key = keyOf(repository)
      const startedAt = yield* elapsedMillis
      const before = yield* cache.commits.get(key)
      const route = routeOf(trigger, answerOf(before, repository))
      if (!isFromMirror(route))
        yield* Effect.addFinalizer(() => Effect.sync(() => claims.checked(key, startedAt)))
      const identity = yield* Effect.fromResult(identityOf(repository, identityRules))
      const rollback = yield* Effect.fromResult(rollbackOf(repository))
      const source = yield* credentials.source(repository, route.renewCredentials)
      const known = before ?? (yield* course.recall(repository, source, rollback))
      const asking = { request, repository, key, identity, route, source, startedAt }
      const { journey, commit, instead } = yield* course.choose(
        { ...asking, before: known },
        rollback,
      )
      if (isSettled(journey, commit)) return untouched(commit, journey.rollback)
      const worked = work(journey, commit)
      if (instead === undefined) return yield* worked
      return yield* Effect.catchTag(worked, "GitError", () => Effect.fail(instead))
    }, Effect.scoped)

    return Syncer.of({
      run: (request): Effect.Effect<SyncOutcome, SyncError> =>
        run(request).pipe(
          Effect.timeoutOrElse({
            duration: request.repository.spec.timeout,
            orElse: () => Effect.fail(timedOut(request.repository)),
          }),
          Effect.withSpan("Sync.run", {
            attributes: { repository: keyOf(request.repository), trigger: request.trigger.kind },
          }),
        ),
    })
  })

type Ports = Git | Render | Kube | Applier | Reporter | Credentials | HashKey

export const layer = (
  identityRules: IdentityRules,
): Layer.Layer<Syncer, never, Ports | Live | Cache | Claims | Dependencies> =>
  Layer.effect(Syncer, make(identityRules))
