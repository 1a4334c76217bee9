/**
 * Keeps the finalizer of GitRepositories with `deletionPolicy: Delete`, and deletes their objects before it lets them
 * go. Whatever happens, the finalizer goes: what cannot be deleted within `spec.timeout` stays, and an Event says so.
 */
import { Clock, Context, Effect, Layer, Result, Schedule } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { KubeObject, ObjectMeta } from "../domain/object.ts"
import { decodeRepository, GIT_REPOSITORIES, type GitRepository } from "../domain/repository.ts"
import { type Caller, Kube } from "../kube/Kube.ts"
import { type Duty, dutyOf, type Farewell, FINALIZER, farewellNotices } from "../plan/deletion.ts"
import { Audience } from "../report/Audience.ts"
import { makeRecorder } from "../report/Recorder.ts"
import { line, MAX_MESSAGE } from "../report/text.ts"
import { Deletion } from "./Deletion.ts"

const CONTROLLER: Caller = { budget: "controller" }
const MAX_LOGGED = 200
/** Somebody wrote it in between, often we ourselves its status: it may be deleted any moment, so at once. */
const CONFLICT = { times: 6, schedule: Schedule.exponential("5 millis") }
/** Until the API server takes it: a GitRepository must not hang. */
const AGAIN = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("30 seconds")])

export class Finalizer extends Context.Service<
  Finalizer,
  {
    /** Carries out what is due for this GitRepository; of one that is being deleted the worker has stopped. */
    readonly serve: (object: KubeObject) => Effect.Effect<void>
  }
>()("nopea/controller/Finalizer") {}

const decoded = (object: KubeObject): GitRepository | undefined =>
  Result.getOrUndefined(decodeRepository(object))

/** What is due for it now. */
export const dutyFor = (object: KubeObject): Duty => dutyOf(object.metadata, decoded(object)?.spec)

const nothingDeleted = (object: KubeObject): Farewell => {
  const result = decodeRepository(object)
  const why = Result.isFailure(result)
    ? `the GitRepository cannot be read: ${result.failure.reason}`
    : "spec.deletionPolicy is not Delete any more, or spec.dryRun is set"
  return { deleted: 0, handedOver: new Map(), left: new Map([["all its objects", why]]) }
}

const keyOfMeta = ({ namespace = "", name }: ObjectMeta): string => `${namespace}/${name}`

const logLeft = (repository: string, { left }: Farewell): Effect.Effect<void> =>
  Effect.forEach(
    [...left].slice(0, MAX_LOGGED),
    ([object, reason]) =>
      Effect.logWarning("object left in the cluster").pipe(
        Effect.annotateLogs({ repository, object, reason, of: left.size }),
      ),
    { discard: true },
  )

const make = Effect.gen(function* () {
  const kube = yield* Kube
  const record = yield* makeRecorder
  const deletion = yield* Deletion
  const hear = yield* Audience

  const read = (meta: ObjectMeta) =>
    kube.get(CONTROLLER, GIT_REPOSITORIES, { namespace: meta.namespace ?? "", name: meta.name })

  /** On the object as it is now, or not at all: the resourceVersion guards the list. */
  const patch = Effect.fnUntraced(function* (meta: ObjectMeta, duty: "add" | "remove") {
    const now = yield* read(meta)
    const { finalizers = [], resourceVersion, uid } = now.metadata
    const isDue = duty === "remove" ? finalizers.includes(FINALIZER) : dutyFor(now) === "add"
    if (uid !== meta.uid || !isDue) return
    const rest = finalizers.filter((name) => name !== FINALIZER)
    const next = duty === "add" ? [...rest, FINALIZER] : rest
    const name = { namespace: meta.namespace ?? "", name: meta.name }
    const metadata = { resourceVersion, finalizers: next }
    yield* kube.mergePatch(CONTROLLER, GIT_REPOSITORIES, name, { metadata })
  })

  const tellTrouble = (meta: ObjectMeta) => (error: KubeError) =>
    error.status === 409
      ? Effect.void
      : Effect.logWarning("finalizer not written; trying again").pipe(
          Effect.annotateLogs({
            repository: keyOfMeta(meta),
            code: error.code,
            reason: error.reason,
            fix: error.fix,
          }),
        )

  /** A GitRepository that is gone needs no finalizer. */
  const write = (meta: ObjectMeta, duty: "add" | "remove"): Effect.Effect<void> =>
    patch(meta, duty).pipe(
      Effect.retry({ ...CONFLICT, while: (error) => error.status === 409 }),
      Effect.catchIf(
        (error) => error.code === "NOPEA-A003",
        () => Effect.void,
      ),
      Effect.tapError(tellTrouble(meta)),
      Effect.retry(AGAIN),
      Effect.ignore,
    )

  const tell = Effect.fnUntraced(function* (meta: ObjectMeta, farewell: Farewell) {
    const { namespace = "", name, uid = "" } = meta
    yield* logLeft(keyOfMeta(meta), farewell)
    const notices = farewellNotices(farewell).map((notice) => ({
      ...notice,
      message: line(notice.message, MAX_MESSAGE),
    }))
    yield* record({ metadata: { namespace, name, uid } }, notices)
  })

  /** All that there was is gone. */
  const tellRemoved = (repository: GitRepository, { deleted, left }: Farewell) =>
    deleted === 0 || left.size > 0
      ? Effect.void
      : Effect.flatMap(Clock.currentTimeMillis, (at) =>
          hear({ what: "removed", repository, deleted, at }),
        )

  const serve = Effect.fn("Finalizer.serve")(function* (object: KubeObject) {
    const { metadata } = object
    const duty = dutyFor(object)
    if (duty === "add" || duty === "remove") return yield* write(metadata, duty)
    if (duty === "none") return
    const repository = decoded(object)
    const farewell =
      duty === "delete" && repository !== undefined
        ? yield* deletion.run(repository)
        : nothingDeleted(object)
    if (repository !== undefined) yield* tellRemoved(repository, farewell)
    yield* tell(metadata, farewell)
    yield* write(metadata, "remove")
  })

  return Finalizer.of({ serve })
})

export const layer: Layer.Layer<Finalizer, never, Kube | Deletion> = Layer.effect(Finalizer, make)
