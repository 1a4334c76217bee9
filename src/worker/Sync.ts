/** The spine: git -> render -> plan -> apply. It gathers and hands on; it never decides. */
import { Clock, Duration, Effect, Layer } from "effect"
import { Applier } from "../apply/Applier.ts"
import { Cache, type Worked } from "../cache/Cache.ts"
import { Claims } from "../cache/Claims.ts"
import { Live } from "../cache/Live.ts"
import { type SyncError, SyncTimeout } from "../domain/errors.ts"
import { formatGroupKind, parseGroupKind } from "../domain/object.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { ANNOTATION_APPROVE_PRUNE, type GitRepository, keyOf } from "../domain/repository.ts"
import type { Commit, GitSource } from "../domain/source.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import { Git } from "../git/Git.ts"
import { Kube } from "../kube/Kube.ts"
import type { Others } from "../plan/claims.ts"
import type { Rules } from "../plan/decide.ts"
import { appliedAfter, makePlan, type Plan, type PlanInput, withoutPrune } from "../plan/plan.ts"
import { Render, type Rendered } from "../render/Render.ts"
import { Reporter } from "../report/Reporter.ts"
import { Credentials } from "./Credentials.ts"
import { HashKey } from "./HashKey.ts"
import { type Identity, type IdentityRules, identityOf } from "./identity.ts"
import { outcomeOf, untouched } from "./outcome.ts"
import { type Route, routeOf } from "./route.ts"
import { Syncer, type SyncRequest } from "./Syncer.ts"
import { refuseUnsupported } from "./unsupported.ts"

/** Askers that come within this time share one `ls-remote`; a poll must not be answered by the one before it. */
const sharedAnswer = ({ spec }: GitRepository): Duration.Duration =>
  Duration.min(Duration.seconds(2), Duration.times(spec.interval, 0.1))

/** One sync on its way: what the stages below read. */
interface Journey {
  readonly request: SyncRequest
  readonly repository: GitRepository
  readonly key: string
  readonly identity: Identity
  readonly route: Route
  readonly source: GitSource
  readonly before: Worked | undefined
  /** Milliseconds since the epoch: nothing that it saw of Git is older. */
  readonly startedAt: number
}

/** How long deletes, and with them the whole sync, wait for other repositories to look into their Git. */
const ASKING = Duration.seconds(5)

const rulesOf = ({ metadata, spec }: GitRepository, others: Others, now: number): Rules => ({
  owner: { namespace: metadata.namespace, name: metadata.name, uid: metadata.uid },
  policy: spec,
  others,
  now,
})

const namespacesOf = ({ metadata, spec }: GitRepository, rendered: Rendered) => [
  ...new Set([
    spec.targetNamespace ?? metadata.namespace,
    ...rendered.objects.map(({ ref }) => ref.namespace).filter((name) => name !== ""),
  ]),
]

/** This spec of this commit was applied whole: what is absent now, somebody deleted. */
const isApplied = (
  { metadata }: GitRepository,
  status: RepositoryStatus | undefined,
  commit: Commit,
): boolean =>
  status?.lastSyncedCommit === commit.sha &&
  (status.conditions ?? []).some(
    ({ type, reason, observedGeneration }) =>
      type === "Ready" && reason === "Succeeded" && observedGeneration === metadata.generation,
  )

const timedOut = (repository: GitRepository): SyncTimeout =>
  new SyncTimeout({
    code: "NOPEA-C005",
    operation: "sync",
    subject: keyOf(repository),
    reason: `it took longer than spec.timeout (${Duration.format(repository.spec.timeout)})`,
    fix: "see in the log which stage was slow; raise spec.timeout where the work is really that large",
    disposition: "retry",
  })

const make = (identityRules: IdentityRules) =>
  Effect.gen(function* () {
    const git = yield* Git
    const render = yield* Render
    const kube = yield* Kube
    const live = yield* Live
    const cache = yield* Cache
    const claims = yield* Claims
    const applier = yield* Applier
    const reporter = yield* Reporter
    const credentials = yield* Credentials
    const hashKey = yield* HashKey

    const ask = Effect.fnUntraced(function* ({ source, repository }: Journey) {
      const { path } = repository.spec
      const head = yield* git.head(source)
      if (head === undefined) return yield* git.sync(source, path)
      const remote = yield* git.lsRemote(source, sharedAnswer(repository))
      return head.sha === remote ? head : yield* git.sync(source, path)
    })

    const commitOf = Effect.fn("Sync.commit")(function* (journey: Journey) {
      const { source, route, repository } = journey
      const { path } = repository.spec
      if (route.commit === "fetch") return yield* git.sync(source, path)
      if (route.commit === "ask") return yield* ask(journey)
      return (yield* git.head(source)) ?? (yield* git.sync(source, path))
    })

    const renderCommit = Effect.fn("Sync.render")(function* (journey: Journey, commit: Commit) {
      const { source, repository, key } = journey
      const { path } = repository.spec
      const entries = yield* git.files(source, commit.sha, path)
      const read = (blobs: ReadonlyArray<string>) => git.read(source, commit.sha, blobs)
      return yield* render.render({ subject: key, path, entries, read })
    })

    const look = Effect.fn("Sync.look")(function* (
      journey: Journey,
      commit: Commit,
      rendered: Rendered,
    ) {
      const { repository, key, route } = journey
      const tracked = yield* trackedKinds(journey)
      const wanted = rendered.objects.map(({ ref }) => formatGroupKind(ref))
      const kinds = [...new Set([...tracked, ...wanted])].map(parseGroupKind)
      const snapshot = yield* live.snapshot({
        repository: key,
        kinds,
        freshness: route.freshness,
        caller: journey.identity,
        namespaces: namespacesOf(repository, rendered),
      })
      const input: PlanInput = {
        rules: rulesOf(repository, claims.others(key), yield* Clock.currentTimeMillis),
        commit: commit.sha,
        approvedPrune: repository.metadata.annotations?.[ANNOTATION_APPROVE_PRUNE],
        desired: rendered.objects,
        complete: rendered.failures.length === 0,
        live: snapshot,
        kinds: yield* kube.discovery(),
        applied: (yield* cache.applied.get(key)) ?? new Map(),
        settled: isApplied(repository, yield* statusOf(journey), commit),
        hashKey: yield* hashKey.get,
      }
      return input
    })

    /** Says what is wanted here before anything is written; asks what others want before anything is deleted. */
    const planCommit = Effect.fn("Sync.plan")(function* (journey: Journey, input: PlanInput) {
      const { key, startedAt, repository } = journey
      const plan = makePlan(input)
      if (repository.spec.dryRun) return plan
      claims.declare(input.rules.owner, { wants: plan.claimed, isWhole: input.complete, startedAt })
      if (plan.leaving.length === 0) return plan
      const isKnown = yield* claims.ask(key, plan.leaving, ASKING)
      return isKnown ? makePlan(input) : withoutPrune(plan)
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
      yield* cache.applied.set(key, appliedAfter(plan, result.changes))
      return result
    })

    const work = Effect.fnUntraced(function* (journey: Journey, commit: Commit) {
      const { key, repository, before } = journey
      const rendered = yield* renderCommit(journey, commit)
      const plan = yield* planCommit(journey, yield* look(journey, commit, rendered))
      const result = repository.spec.dryRun
        ? { changes: plan.settled, inventoryKinds: yield* trackedKinds(journey) }
        : yield* applyPlan(journey, plan)
      const outcome = outcomeOf({ repository, commit, rendered, plan, result, before })
      const clean = outcome.failures.length === 0
      const generation = repository.metadata.generation ?? 0
      yield* cache.commits.set(key, { commit, generation, clean, stale: false })
      return outcome
    })

    const isSettled = ({ route, before, repository }: Journey, commit: Commit): boolean =>
      route.mayEndEarly &&
      before?.clean === true &&
      before.commit.sha === commit.sha &&
      before.generation === repository.metadata.generation

    const run = Effect.fnUntraced(function* (request: SyncRequest) {
      const { repository, trigger } = request
      const key = keyOf(repository)
      const startedAt = yield* Clock.currentTimeMillis
      yield* Effect.addFinalizer(() => Effect.sync(() => claims.checked(key, startedAt)))
      const before = yield* cache.commits.get(key)
      const route = routeOf(trigger, before?.stale !== false)
      yield* Effect.fromResult(refuseUnsupported(repository))
      const identity = yield* Effect.fromResult(identityOf(repository, identityRules))
      const source = yield* credentials.source(repository, route.renewCredentials)
      const journey: Journey = {
        request,
        repository,
        key,
        identity,
        route,
        source,
        before,
        startedAt,
      }
      const commit = yield* commitOf(journey).pipe(Effect.onError(() => markStale(key, before)))
      if (!isSettled(journey, commit)) return yield* work(journey, commit)
      if (before?.stale === true) yield* cache.commits.set(key, { ...before, stale: false })
      return untouched(commit)
    }, Effect.scoped)

    /** Also where the time of the sync ran out: the retry asks the server, not the mirror. */
    const markStale = (key: string, before: Worked | undefined): Effect.Effect<void> =>
      before === undefined ? Effect.void : cache.commits.set(key, { ...before, stale: true })

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

export const layer = (
  identityRules: IdentityRules,
): Layer.Layer<
  Syncer,
  never,
  Git | Render | Kube | Live | Cache | Claims | Applier | Reporter | Credentials | HashKey
> => Layer.effect(Syncer, make(identityRules))
