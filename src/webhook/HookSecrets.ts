/** The secrets of a repository's own route: kept for a minute, and read again, seldom, where none of them fits. */
import { Effect, Redacted, Result, Semaphore } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { Kube } from "../kube/Kube.ts"
import { SECRETS } from "../worker/Credentials.ts"
import { REFUSALS } from "./answer.ts"
import type { Secrets } from "./proof.ts"

/** A secret that was taken away is valid no longer than this. */
const KEPT = 60_000
/** Wrong proofs cost one read in this time, however many they are. */
const AGAIN = 10_000
const MAX_KEPT = 10_000
const MAX_SECRETS = 16
/** Reads that strangers can cause take this many places at the API server, in all. */
const READS = 4

interface Slot {
  readonly turn: Semaphore.Semaphore
  secrets: Secrets
  readAt: number
  /** Said once, until it can be read again. */
  trouble: string
}

export interface HookSecrets {
  /** Empty: no Secret is named, or it is not there. `wasWrong`: those that were given before did not fit. */
  readonly of: (repository: GitRepository, wasWrong: boolean) => Effect.Effect<Secrets>
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

const tell = (repository: GitRepository, reason: string) => {
  const { code, reason: what, fix } = REFUSALS.secretMissing
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
      secrets: [],
      readAt: Number.NEGATIVE_INFINITY,
      trouble: "",
    }
    const [oldest] = slots.keys()
    if (slots.size >= MAX_KEPT && oldest !== undefined && !slots.has(place)) slots.delete(oldest)
    slots.set(place, slot)
    return slot
  }

  /** While the API server does not answer, what was read before goes on being valid. */
  const read = Effect.fnUntraced(function* (repository: GitRepository, name: string, slot: Slot) {
    const { namespace } = repository.metadata
    const found = yield* Effect.result(
      reads.withPermit(kube.get({ budget: keyOf(repository) }, SECRETS, { namespace, name })),
    )
    const isRefused = Result.isFailure(found) && [403, 404].includes(found.failure.status)
    if (Result.isSuccess(found)) slot.secrets = secretsIn(found.success["data"])
    else if (isRefused) slot.secrets = []
    const none = slot.secrets.length === 0 ? "it has no value" : ""
    const trouble = Result.isFailure(found) ? found.failure.message : none
    const isNews = trouble !== "" && trouble !== slot.trouble
    slot.trouble = trouble
    if (isNews) yield* tell(repository, trouble)
  })

  return {
    of: Effect.fn("HookSecrets.of")(function* (repository, wasWrong) {
      const name = repository.spec.webhook?.secretRef.name
      if (name === undefined) return []
      const slot = slotOf(`${keyOf(repository)} ${repository.metadata.uid} ${name}`)
      const renewed = Effect.gen(function* () {
        const now = yield* elapsedMillis
        if (now - slot.readAt < (wasWrong ? AGAIN : KEPT)) return slot.secrets
        slot.readAt = now
        yield* read(repository, name, slot)
        return slot.secrets
      })
      return yield* slot.turn.withPermit(renewed)
    }),
  }
})
