/** The head at the server of what is followed: one question for everybody who wants to know at the same time. */
import { Duration, Effect, Result } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { GitError } from "../domain/errors.ts"
import type { CommitId } from "../domain/source.ts"
import { find } from "./Finding.ts"
import { type Answer, type Asked, askedOf } from "./Mirrors.ts"
import type { Session } from "./Session.ts"

const ask = Effect.fnUntraced(function* (session: Session, asked: Asked) {
  const askedAt = yield* elapsedMillis
  asked.round += 1
  const { round } = asked
  const found = find({ ...session, ask: session.askInTurn })
  const tip = yield* Effect.result(Effect.map(found, ({ commit }) => commit))
  asked.answer = { tip, round, askedAt }
  return tip
})

/**
 * An answer serves whoever came before its question was asked, or takes one of that age. A failure serves only
 * those who waited for it: never a caller who tries again.
 */
export const askTip = Effect.fnUntraced(function* (
  session: Session,
  maxAge: Duration.Duration,
): Effect.fn.Return<CommitId, GitError> {
  const { mirror, mirrorRef, target } = session
  if (target.kind === "commit") return target.ref
  const asked = askedOf(mirror, mirrorRef)
  const cameAt = yield* elapsedMillis
  const { answer: known, round } = asked
  const isYoung = ({ askedAt }: Answer) => cameAt - askedAt < Duration.toMillis(maxAge)
  if (known !== undefined && Result.isSuccess(known.tip) && isYoung(known)) {
    return known.tip.success
  }
  const serves = (answer: Answer | undefined): answer is Answer =>
    answer !== undefined &&
    answer !== known &&
    (Result.isFailure(answer.tip) || answer.round > round || isYoung(answer))
  const next = Effect.suspend(() =>
    serves(asked.answer) ? Effect.succeed(asked.answer.tip) : ask(session, asked),
  )
  return yield* Effect.fromResult(yield* asked.turn.withPermit(next))
})
