/** What happens to GitRepositories in the cluster becomes the start, the new spec or the stop of their workers. */
import { Context, Duration, Effect, FiberMap, Latch, Layer, Result, Stream } from "effect"
import { Claims } from "../cache/Claims.ts"
import type { KubeError, SyncError } from "../domain/errors.ts"
import type { KubeObject, ObjectMeta } from "../domain/object.ts"
import { decodeRepository, GIT_REPOSITORIES } from "../domain/repository.ts"
import { informObjects } from "../kube/Informer.ts"
import type { Caller, Kube } from "../kube/Kube.ts"
import type { InformerEvent } from "../kube/watch.ts"
import { Reporter } from "../report/Reporter.ts"
import { type Memory, Supervisor } from "../supervisor/Supervisor.ts"
import { survive } from "../supervisor/Survive.ts"
import { dutyFor, Finalizer } from "./Finalizer.ts"

const CALLER: Caller = { budget: "controller" }
/** Between two attempts of an intake that crashed. */
const PAUSE = Duration.seconds(5)

export interface ControllerOptions {
  /** Empty: all. */
  readonly namespaces: ReadonlyArray<string>
}

export class Controller extends Context.Service<
  Controller,
  {
    /** Resumes once every namespace has been listed and its workers started. */
    readonly synced: Effect.Effect<void>
    readonly isSynced: Effect.Effect<boolean>
  }
>()("nopea/controller/Controller") {}

interface Known {
  readonly uid: string
  /** The generation that could not be decoded, and was said so. */
  readonly rejected?: number
  /** Its worker was stopped because it is being deleted. */
  readonly isLeaving?: boolean
}

const factsOf = ({ namespace = "", name, uid = "", generation = 0 }: ObjectMeta) => ({
  key: `${namespace}/${name}`,
  uid,
  generation,
})

const tellFailure = (error: KubeError): Effect.Effect<void> =>
  error.status === 404
    ? Effect.logError("the cluster does not serve GitRepositories yet; waiting for its CRD").pipe(
        Effect.annotateLogs({ fix: "install it: nopea crd | kubectl apply --server-side -f -" }),
      )
    : Effect.logWarning("GitRepositories cannot be watched; trying again").pipe(
        Effect.annotateLogs({ code: error.code, reason: error.message, fix: error.fix }),
      )

/** One object at a time: what is known of it, and what its worker is told. */
const makeRegister = Effect.gen(function* () {
  const supervisor = yield* Supervisor
  const reporter = yield* Reporter
  const finalizer = yield* Finalizer
  const scope = yield* Effect.scope
  const rejections = yield* FiberMap.make<string>()
  const duties = yield* FiberMap.make<string>()
  const known = new Map<string, Known>()

  /** Takes effect at once; nobody waits until the worker has ended. */
  const stop = (key: string, memory: Memory) =>
    Effect.forkIn(supervisor.stop(key, memory), scope, { startImmediately: true })

  /** Beside the intake: one finalizer delays nobody else. What runs already is not begun again. */
  const serve = Effect.fnUntraced(function* (object: KubeObject) {
    const { key, uid } = factsOf(object.metadata)
    const isLeaving = object.metadata.deletionTimestamp !== undefined
    const duty = dutyFor(object)
    if (duty === "none") return
    const stopped = isLeaving ? supervisor.stop(key, "keep") : Effect.void
    yield* FiberMap.run(
      duties,
      `${key} ${uid} ${duty}`,
      survive(`the finalizer of ${key}`, Effect.andThen(stopped, finalizer.serve(object))),
      { onlyIfMissing: true },
    )
  })

  const reject = Effect.fnUntraced(function* (meta: ObjectMeta, error: SyncError) {
    const { key, generation, uid } = factsOf(meta)
    if (known.get(key)?.rejected === generation) return
    known.set(key, { uid, rejected: generation })
    yield* stop(key, "keep")
    const name = { namespace: meta.namespace ?? "", name: meta.name, uid }
    yield* FiberMap.run(rejections, key, reporter.rejected(name, generation, error))
  })

  const forget = Effect.fnUntraced(function* (key: string) {
    known.delete(key)
    for (const [duty] of duties) {
      if (duty.startsWith(`${key} `)) yield* FiberMap.remove(duties, duty)
    }
    yield* FiberMap.remove(rejections, key)
    yield* stop(key, "forget")
  })

  /** It is being deleted: nothing is applied any more, whoever still holds it. */
  const leave = Effect.fnUntraced(function* (key: string, uid: string) {
    if (known.get(key)?.isLeaving === true) return
    known.set(key, { uid, isLeaving: true })
    yield* stop(key, "keep")
  })

  const apply = Effect.fnUntraced(function* (object: KubeObject) {
    const { key, uid } = factsOf(object.metadata)
    const isAnother = (known.get(key)?.uid ?? uid) !== uid
    if (isAnother) yield* forget(key)
    yield* serve(object)
    if (object.metadata.deletionTimestamp !== undefined) return yield* leave(key, uid)
    const decoded = decodeRepository(object)
    if (Result.isFailure(decoded)) return yield* reject(object.metadata, decoded.failure)
    known.set(key, { uid })
    yield* supervisor.start(decoded.success)
  })

  return { known, apply, forget }
})

/** One namespace, or all of them. */
const intake = Effect.fnUntraced(function* (namespace: string | undefined, listed: Latch.Latch) {
  const { known, apply, forget } = yield* makeRegister
  let trouble: string | undefined

  /** A bug that one object meets must not keep the others from being served. */
  const applyOne = (object: KubeObject) =>
    survive(`the intake of ${factsOf(object.metadata).key}`, apply(object))

  /** The whole truth: it also tells what was deleted while nobody watched. */
  const applyAll = Effect.fnUntraced(function* (objects: ReadonlyArray<KubeObject>) {
    const there = new Set(objects.map(({ metadata }) => factsOf(metadata).key))
    const gone = [...known.keys()].filter((key) => !there.has(key))
    yield* Effect.forEach(gone, forget, { discard: true })
    yield* Effect.forEach(objects, applyOne, { discard: true })
    trouble = undefined
    listed.openUnsafe()
  })

  /** The same trouble is told once, until a list succeeds. */
  const tell = (error: KubeError) => {
    const isNews = trouble !== error.code
    trouble = error.code
    return isNews ? tellFailure(error) : Effect.void
  }

  const take = (event: InformerEvent<KubeObject>) => {
    switch (event.type) {
      case "applied":
        return applyOne(event.object)
      case "deleted":
        return forget(factsOf(event.object.metadata).key)
      case "synced":
        return applyAll(event.objects)
      case "failed":
        return tell(event.error)
      case "current":
        return Effect.void
    }
  }

  const where = namespace === undefined ? {} : { namespace }
  const events = informObjects({ caller: CALLER, type: GIT_REPOSITORIES, ...where })
  const run = survive("the watch of GitRepositories", Stream.runForEach(events, take))
  return yield* Effect.forever(Effect.andThen(run, Effect.sleep(PAUSE)))
})

const make = Effect.fnUntraced(function* ({ namespaces }: ControllerOptions) {
  const sources = namespaces.length === 0 ? [undefined] : [...new Set(namespaces)]
  const claims = yield* Claims
  claims.listing(true)
  const latches = sources.map((namespace) => [namespace, Latch.makeUnsafe(false)] as const)
  for (const [namespace, latch] of latches) yield* Effect.forkScoped(intake(namespace, latch))
  const synced = Effect.forEach(latches, ([, latch]) => latch.await, { discard: true })
  yield* Effect.forkScoped(
    Effect.andThen(
      synced,
      Effect.sync(() => claims.listing(false)),
    ),
  )
  return Controller.of({
    synced,
    isSynced: Effect.sync(() => latches.every(([, latch]) => latch.isOpen())),
  })
})

/** Closing it closes the intake, before the supervisor below it drains its workers. */
export const layer = (
  options: ControllerOptions,
): Layer.Layer<Controller, never, Supervisor | Reporter | Finalizer | Claims | Kube> =>
  Layer.effect(Controller, make(options))
