/** The spine: git -> render -> plan -> apply. It gathers and hands on; it never decides. */
import { Cause, Clock, Duration, Effect, Layer, Result } from "effect"
import { Applier } from "../apply/Applier.ts"
import { Cache } from "../cache/Cache.ts"
import { Claims } from "../cache/Claims.ts"
import { Dependencies } from "../cache/Dependencies.ts"
import type { Live } from "../cache/Live.ts"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { SyncError } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { keyOf } from "../domain/repository.ts"
import { rollbackOf } from "../domain/rollback.ts"
import type { Commit } from "../domain/source.ts"
import { Git } from "../git/Git.ts"
import type { Kube } from "../kube/Kube.ts"
import { refusedIn } from "../plan/claims.ts"
import { memoryAfter } from "../plan/evidence.ts"
import { appliedAfter, makePlan, type Plan, withoutPrune } from "../plan/plan.ts"
import { Render } from "../render/Render.ts"
import { Reporter } from "../report/Reporter.ts"
import { findCommit, inRollback } from "./Commits.ts"
import { Credentials } from "./Credentials.ts"
import type { HashKey } from "./HashKey.ts"
import { type IdentityRules, identityOf } from "./identity.ts"
import { answerOf, isVerified, type Journey, timedOut, unaskedIn, wantedOf } from "./journey.ts"
import { makeKept } from "./kept.ts"
import { makeLook, type RenderAt, type Seen } from "./Look.ts"
import { outcomeOf, untouched } from "./outcome.ts"
import { isFromMirror, routeOf } from "./route.ts"
import { Syncer, type SyncRequest } from "./Syncer.ts"
import { makeWaiting } from "./Waiting.ts"

/** How long deletes, and with them the whole sync, wait for other repositories to look into their Git. */
const ASKING = Duration.seconds(5)

const placeOf = ({ repository }: Journey, sha: string): string => `${sha} ${repository.spec.path}`

const make = (identityRules: IdentityRules) =>
  Effect.gen(function* () {
    const git = yield* Git
    const render = yield* Render
    const cache = yield* Cache
    const claims = yield* Claims
    const dependencies = yield* Dependencies
    const applier = yield* Applier
    const reporter = yield* Reporter
    const credentials = yield* Credentials
    const look = yield* makeLook
    const declareWaiting = yield* makeWaiting
    const kept = makeKept()

    /** Who may push is not yet who is trusted. */
    const verify = Effect.fn("Sync.verify")(function* (journey: Journey, { sha }: Commit) {
      if (isVerified(journey, sha)) return
      const trusted = yield* credentials.trusted(journey.repository)
      yield* Effect.mapError(git.verify(journey.source, sha, trusted), inRollback(journey))
    })

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

    /** Says what is wanted here before anything is written; asks what others want before anything is deleted. */
    const planCommit = Effect.fn("Sync.plan")(function* (journey: Journey, seen: Seen) {
      const { key, startedAt, repository } = journey
      const { input, placed } = seen
      const plan = makePlan(input, placed)
      if (repository.spec.dryRun) return plan
      const said = { wants: plan.claimed, isWhole: input.complete, startedAt }
      claims.declare(input.rules.owner, { ...said, isFromMirror: isFromMirror(journey.route) })
      if (plan.leaving.length === 0) return plan
      const isKnown = yield* claims.ask(key, plan.leaving, ASKING)
      return isKnown ? makePlan(input, placed) : withoutPrune(plan)
    })

    /** The cache knows more than the spec's snapshot: it has what was written since. */
    const statusOf = ({ key, repository }: Journey) =>
      Effect.map(cache.states.get(key), (status) => status ?? repository.status)

    const trackedKinds = (journey: Journey) =>
      Effect.map(statusOf(journey), (status) => status?.inventoryKinds ?? [])

    const applyPlan = Effect.fn("Sync.apply")(function* (journey: Journey, plan: Plan) {
      const { repository, identity, key } = journey
      const result = yield* applier.run({
        caller: identity,
        repository: key,
        plan,
        inventoryKinds: yield* trackedKinds(journey),
        announce: (kinds) => reporter.announceKinds(repository, kinds),
      })
      claims.refused(key, refusedIn(result.changes))
      yield* cache.applied.set(key, appliedAfter(plan, result.changes))
      const now = yield* Clock.currentTimeMillis
      yield* cache.drift.set(key, memoryAfter(plan.rules.memory, result.changes, now, plan))
      return result
    })

    const work = Effect.fnUntraced(function* (journey: Journey, commit: Commit) {
      const { key, repository, before } = journey
      const rendered = yield* renderCommit(journey, commit)
      const plan = yield* planCommit(
        journey,
        yield* look(journey, commit, rendered, renderAt(journey)),
      )
      const result = repository.spec.dryRun
        ? { changes: plan.settled, inventoryKinds: yield* trackedKinds(journey) }
        : yield* applyPlan(journey, plan)
      const unasked = unaskedIn(journey)
      const known = { repository, commit, before, unasked, rollback: journey.rollback }
      const outcome = outcomeOf({ ...known, rendered, plan, result })
      const clean = outcome.failures.length === 0
      const generation = repository.metadata.generation ?? 0
      const still = unasked === undefined ? {} : { unasked }
      const pin = journey.rollback === undefined ? {} : { rollback: journey.rollback }
      yield* cache.commits.set(key, { commit, generation, clean, ...still, ...pin })
      return outcome
    })

    /** Each new commit, and each new spec, waits until what it depends on is ready. */
    const gate = Effect.fnUntraced(function* (journey: Journey, commit: Commit) {
      const { repository, request } = journey
      const wanted = wantedOf(journey, yield* statusOf(journey), commit)
      const answer = dependencies.check(repository, wanted)
      if (Result.isSuccess(answer)) return
      const isNewest = request.trigger.kind !== "drift" && unaskedIn(journey) === undefined
      if (isNewest && !repository.spec.dryRun)
        yield* declareWaiting(journey, yield* renderCommit(journey, commit))
      return yield* Effect.fail(answer.failure)
    })

    const isSettled = ({ route, before, repository }: Journey, commit: Commit): boolean =>
      route.mayEndEarly &&
      before?.clean === true &&
      before.commit.sha === commit.sha &&
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
      const begun: Journey = {
        request,
        repository,
        key,
        identity,
        route,
        source,
        before,
        startedAt,
      }
      const { commit, ...found } = yield* findCommit(git, begun, rollback).pipe(
        Effect.tap(({ commit, ...found }) => verify({ ...begun, ...found }, commit)),
        Effect.onError((cause) => markUnasked(begun, cause)),
      )
      const journey: Journey = { ...begun, ...found }
      if (!isFromMirror(route) && before?.unasked !== undefined) {
        const { unasked: _, ...answered } = before
        yield* cache.commits.set(key, answered)
      }
      yield* gate(journey, commit)
      return isSettled(journey, commit)
        ? untouched(commit, journey.rollback)
        : yield* work(journey, commit)
    }, Effect.scoped)

    /** Also where the time of the sync ran out: the retry asks the server, not the mirror. */
    const markUnasked = (
      { key, before, repository }: Journey,
      cause: Cause.Cause<SyncError>,
    ): Effect.Effect<void> => {
      const error = Cause.findErrorOption(cause)
      const unasked = error._tag === "Some" ? error.value : timedOut(repository)
      return before === undefined ? Effect.void : cache.commits.set(key, { ...before, unasked })
    }

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
