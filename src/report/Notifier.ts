/** Delivers notifications of new drift: at once or a little later, in order for each GitRepository, never in a sync's way. */
import { Context, Effect, FiberSet, Layer, Random, Semaphore } from "effect"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { currentTrace, follow } from "../domain/Tracing.ts"
import type { TraceContext } from "../domain/trace.ts"
import { Kube, type ResourceType } from "../kube/Kube.ts"
import {
  bodyOf,
  missingSecret,
  type Notification,
  noReceiver,
  receiverOf,
  tooMany,
  type Undelivered,
  unreadableSecret,
} from "./notification.ts"
import { type Post, post } from "./Posting.ts"

const SECRET: ResourceType = {
  group: "",
  version: "v1",
  kind: "Secret",
  resource: "secrets",
  namespaced: true,
  verbs: ["get"],
}

const TRIES = 5
const FIRST_PAUSE = 1000
/** By GitRepository, beside the one under way; more are dropped. */
const MAX_WAITING = 10
const MAX_REPOSITORIES = 1000
/** Posts that run at a time, of all GitRepositories; a pause between tries needs no turn. */
const TURNS = 16

/** What is done about a notification that could not be delivered, beside a line in the log. */
export type Undeliverable = (why: Undelivered) => Effect.Effect<void>

export class Notifier extends Context.Service<
  Notifier,
  {
    /**
     * Returns at once. What the receiver does not take within five tries, or what comes while too many wait, is
     * dropped and said; what waits when the controller stops is lost. The drift itself stays in the status.
     */
    readonly send: (
      repository: GitRepository,
      news: Pick<Notification, "commit" | "drift">,
      failed: Undeliverable,
    ) => Effect.Effect<void>
  }
>()("nopea/report/Notifier") {}

interface Job {
  readonly repository: GitRepository
  readonly body: string
  readonly failed: Undeliverable
  /** Of the sync that it comes of. */
  readonly trace: TraceContext | undefined
}

const tell = ({ repository }: Pick<Job, "repository">, { code, reason, fix }: Undelivered) =>
  Effect.logWarning("notification not delivered").pipe(
    Effect.annotateLogs({ repository: keyOf(repository), code, reason, fix }),
  )

const make = (send: Post) =>
  Effect.gen(function* () {
    const kube = yield* Kube
    const fork = yield* FiberSet.runtime(yield* FiberSet.make<void>())()
    const turns = Semaphore.makeUnsafe(TURNS)
    const queues = new Map<string, Array<Job>>()

    /** Read for every try, in the GitRepository's own namespace: a Secret that was mended is of use at once. */
    const receiver = Effect.fnUntraced(function* (repository: GitRepository) {
      const { namespace } = repository.metadata
      const name = repository.spec.notifyRef?.name
      if (name === undefined) return yield* Effect.fail(noReceiver())
      const secret = yield* kube
        .get({ budget: keyOf(repository) }, SECRET, { namespace, name })
        .pipe(
          Effect.mapError((error) =>
            error.status === 404
              ? missingSecret(namespace, name)
              : unreadableSecret(`${namespace}/${name}`, error),
          ),
        )
      const encoded = (secret["data"] ?? {}) as Readonly<Record<string, unknown>>
      return yield* Effect.fromResult(receiverOf(`${namespace}/${name}`, encoded))
    })

    const attempt = ({ repository, body }: Job): Effect.Effect<void, Undelivered> =>
      turns.withPermit(Effect.flatMap(receiver(repository), (to) => send(to, body)))

    const persist = (job: Job, nth = 1): Effect.Effect<void, Undelivered> =>
      Effect.catch(
        attempt(job),
        Effect.fnUntraced(function* (why) {
          if (nth >= TRIES || why.disposition === "stall") return yield* Effect.fail(why)
          const pause = FIRST_PAUSE * 2 ** (nth - 1) * (0.9 + 0.2 * (yield* Random.next))
          yield* Effect.sleep(Math.max(Math.round(pause), why.retryAfter ?? 0))
          return yield* persist(job, nth + 1)
        }),
      )

    const deliver = (job: Job): Effect.Effect<void> =>
      Effect.catch(follow(Effect.withSpan(persist(job), "Notifier.deliver"), job.trace), (why) =>
        Effect.andThen(tell(job, why), job.failed(why)),
      )

    /** Ends with its queue: taking the last job and closing the queue is one step. */
    const drain = (uid: string, queue: Array<Job>) =>
      Effect.gen(function* () {
        for (let job = queue.shift(); job !== undefined; job = queue.shift()) yield* deliver(job)
        queues.delete(uid)
      }).pipe(
        Effect.tapCause((cause) => Effect.logError("notifier crashed", cause)),
        Effect.onError(() => Effect.sync(() => queues.delete(uid))),
      )

    const enqueue = (uid: string, job: Job): Undelivered | undefined => {
      const queue = queues.get(uid)
      if (queue === undefined && queues.size >= MAX_REPOSITORIES) return tooMany(queues.size)
      if (queue !== undefined && queue.length >= MAX_WAITING) return tooMany(queue.length)
      if (queue !== undefined) queue.push(job)
      else {
        const fresh = [job]
        queues.set(uid, fresh)
        fork(drain(uid, fresh))
      }
      return undefined
    }

    return Notifier.of({
      send: (repository, { commit, drift }, failed) =>
        Effect.flatMap(currentTrace, (trace) => {
          const { namespace, name, uid } = repository.metadata
          const { url } = repository.spec
          const body = bodyOf({ repository: { namespace, name, url }, commit, drift })
          const refused = enqueue(uid, { repository, body, failed, trace })
          return refused === undefined ? Effect.void : tell({ repository }, refused)
        }),
    })
  })

/** `send`: how one notification gets to its receiver. */
export const layerOf = (send: Post): Layer.Layer<Notifier, never, Kube> =>
  Layer.effect(Notifier, make(send))

export const layer: Layer.Layer<Notifier, never, Kube> = layerOf(post)
