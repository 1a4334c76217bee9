/** Bodies of deliveries on their way in: bounded in bytes and in time, for all of them together. */
import type { IncomingMessage } from "node:http"
import { Effect, Schedule } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import { type Answer, REFUSALS } from "./answer.ts"
import type { Visit } from "./Room.ts"

export interface Incoming {
  readonly request: IncomingMessage
  readonly invite: () => void
}

export interface Limits {
  /** Of one body. */
  readonly maxBytes: number
  /** Milliseconds for a body to come whole. */
  readonly timeout: number
}

/** What a piece takes beside its bytes: a body may come in pieces of one byte each, and a piece weighs some hundreds. */
const PIECE = 512
export type Body = Effect.Effect<Uint8Array, Answer>

export interface Bodies {
  /** Reads it, once; what is refused is not read on. */
  readonly read: (incoming: Incoming, visit: Visit) => Body
  /** Never ends: refuses those that are late, a quarter of their time too late at most. */
  readonly endLate: Effect.Effect<unknown>
}

/** What headers tell of a body before it is read. */
const refusalOf = ({ headers }: IncomingMessage, maxBytes: number): Answer | undefined => {
  if (Number(headers["content-length"] ?? 0) > maxBytes) return REFUSALS.tooLarge
  const encoding = headers["content-encoding"] ?? "identity"
  return encoding.toLowerCase() === "identity" ? undefined : REFUSALS.encoded
}

const whole = ([first, ...more]: ReadonlyArray<Uint8Array>): Uint8Array =>
  first !== undefined && more.length === 0 ? first : Buffer.concat(first ? [first, ...more] : [])

export const makeBodies = ({ maxBytes, timeout }: Limits): Bodies => {
  /** Ways to end a body, by when it began: one look at all of them costs less than a timer for each. */
  const awaited = new Map<() => void, number>()

  /** By events and not by a stream of Effect's, which takes several times the work of all the rest. */
  const collect = ({ request, invite }: Incoming, visit: Visit, since: number): Body =>
    Effect.callback((resume) => {
      const chunks: Array<Uint8Array> = []
      let size = 0
      const refuse = (answer: Answer) => {
        leave()
        resume(Effect.fail(answer))
      }
      const take = (chunk: Uint8Array) => {
        size += chunk.length
        if (size > maxBytes) refuse(REFUSALS.tooLarge)
        else if (visit.grow(chunk.length + PIECE)) chunks.push(chunk)
        else refuse(REFUSALS.busy)
      }
      const finish = () => {
        leave()
        resume(Effect.succeed(whole(chunks)))
      }
      const breakOff = () => refuse(REFUSALS.malformed)
      const tooLate = () => refuse(REFUSALS.late)
      const events = { data: take, end: finish, error: breakOff, close: breakOff } as const
      const leave = () => {
        awaited.delete(tooLate)
        for (const [name, hear] of Object.entries(events)) request.off(name, hear)
        request.pause()
      }
      if (request.destroyed) return breakOff()
      awaited.set(tooLate, since)
      for (const [name, hear] of Object.entries(events)) request.on(name, hear)
      invite()
      return Effect.sync(leave)
    })

  const look = Effect.map(elapsedMillis, (now) => {
    for (const [end, since] of awaited) if (now - since >= timeout) end()
  })

  return {
    read: (incoming, visit) =>
      Effect.flatMap(elapsedMillis, (now) => {
        const refused = refusalOf(incoming.request, maxBytes)
        return refused === undefined ? collect(incoming, visit, now) : Effect.fail(refused)
      }),
    endLate: Effect.repeat(look, Schedule.spaced(timeout / 4)),
  }
}
