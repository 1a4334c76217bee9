/** The secrets of a repository's own route: kept for a minute, and read again, seldom, where none of them fits. */
import { Effect, Redacted, Semaphore } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { Kube } from "../kube/Kube.ts"
import { SECRETS } from "../worker/Credentials.ts"
import { type Answer, REFUSALS } from "./answer.ts"
import type { Secrets } from "./proof.ts"

/** A secret that was taken away is valid no longer than this, if the API server answers. */
const KEPT = 60_000
/** Wrong proofs cost one read in this time, however many they are. */
const AGAIN = 10_000
const MAX_KEPT = 10_000
const MAX_SECRETS = 16
/** Reads that strangers can cause take this many places at the API server, in all. */
const READS = 4
/** Of the ten seconds that a delivery has. */
const READ_LIMIT = "3 seconds"

interface Slot {
  readonly turn: Semaphore.Semaphore
  /** `undefined`: it could not be read yet. */
  secrets: Secrets | undefined
  readAt: number
  /** Said once, until it can be read again. */
  trouble: string
}

interface Found {
  /** Absent: nobody knows. */
  readonly secrets?: Secrets
  readonly trouble: string
}

export interface HookSecrets {
  /** Empty: no Secret is named, or it is not there; a failure: it could not be read yet. `wasWrong`: those that were given before did not fit. */
  readonly of: (repository: GitRepository, wasWrong: boolean) => Effect.Effect<Secrets, Answer>
}

/** Every value is a secret; a line break at its end is none of it. */
const secretsIn = (data: unknown): Secrets =>
  Object.values((data ?? {}) as Readonly<Record<string, unknown>>)
    .flatMap((value) =>
      typeof value === "string" ? [Buffer.from(value, "base64").toString()] : [],
    )
    .map((text) => text.replace(/\r?\n$/u, ""))
    .filter((text) => text !== "")
    .slice(0, MAX_SECRETS)
    .map((text) => Redacted.make(text))

const tell = (repository: GitRepository, answer: Answer, reason: string) => {
  const { code, reason: what, fix } = answer
  return Effect.logWarning(what).pipe(
    Effect.annotateLogs({ code, repository: keyOf(repository), reason, fix }),
  )
}

export const makeHookSecrets: Effect.Effect<HookSecrets, never, Kube> = Effect.gen(function* () {
  const kube = yield* Kube
  const slots = new Map<string, Slot>()
  const reads = yield* Semaphore.make(READS)

  const slotOf = (place: string): Slot => {
    const slot = slots.get(place) ?? {
      turn: Semaphore.makeUnsafe(1),
      secrets: undefined,
      readAt: Number.NEGATIVE_INFINITY,
      trouble: "",
    }
    const [oldest] = slots.keys()
    if (slots.size >= MAX_KEPT && oldest !== undefined && !slots.has(place)) slots.delete(oldest)
    slots.set(place, slot)
    return slot
  }

  const look = (repository: GitRepository, name: string): Effect.Effect<Found> => {
    const { namespace } = repository.metadata
    const asked = kube.get({ budget: keyOf(repository) }, SECRETS, { namespace, name })
    return reads.withPermit(asked).pipe(
      Effect.map(({ data }) => {
        const secrets = secretsIn(data)
        return { secrets, trouble: secrets.length === 0 ? "it has no value" : "" }
      }),
      Effect.catch(({ status, message }) => {
        const none = status === 403 || status === 404 ? { secrets: [] } : {}
        return Effect.succeed<Found>({ ...none, trouble: message })
      }),
      Effect.timeoutOrElse({
        duration: READ_LIMIT,
        orElse: () => Effect.succeed<Found>({ trouble: `no answer in ${READ_LIMIT}` }),
      }),
    )
  }

  /** While the API server does not answer, what was read before goes on being valid. */
  const read = Effect.fnUntraced(function* (repository: GitRepository, name: string, slot: Slot) {
    const { secrets, trouble } = yield* look(repository, name)
    slot.secrets = secrets ?? slot.secrets
    const isNews = trouble !== "" && trouble !== slot.trouble
    slot.trouble = trouble
    const told = secrets === undefined ? REFUSALS.secretUnread : REFUSALS.secretMissing
    if (isNews) yield* tell(repository, told, trouble)
  })

  return {
    of: Effect.fn("HookSecrets.of")(function* (repository, wasWrong) {
      const name = repository.spec.webhook?.secretRef.name
      if (name === undefined) return []
      const slot = slotOf(`${keyOf(repository)} ${repository.metadata.uid} ${name}`)
      const renewed = Effect.gen(function* () {
        const now = yield* elapsedMillis
        const isUrgent = wasWrong || slot.secrets === undefined
        if (now - slot.readAt >= (isUrgent ? AGAIN : KEPT)) {
          yield* read(repository, name, slot)
          slot.readAt = now
        }
        return slot.secrets ?? (yield* Effect.fail(REFUSALS.notReady))
      })
      return yield* slot.turn.withPermit(renewed)
    }),
  }
})
