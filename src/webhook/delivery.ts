/** One delivery: who it claims to be, what proves it, and what it asks for. Pure. */
import { Result } from "effect"
import { type Answer, gently, ignored, REFUSALS } from "./answer.ts"
import { payloadOf } from "./form.ts"
import { type Offer, offersOf, provesByBody, provesByToken, type Secrets } from "./proof.ts"
import * as providers from "./providers.ts"
import type { Route } from "./route.ts"

export interface Delivery {
  readonly route: Route
  /** Names in lower case. */
  readonly headers: providers.Headers
  readonly name: providers.ProviderName
  readonly provider: providers.Provider
  readonly offers: ReadonlyArray<Offer>
}

/** What a proven delivery tells. */
export interface Told {
  readonly push: providers.Push
  /** The same when it is sent again. */
  readonly id: string | undefined
}

/** Who it claims to be, from headers alone. */
export const deliveryOf = (
  route: Route,
  headers: providers.Headers,
): Result.Result<Delivery, Answer> => {
  const name = route.kind === "provider" ? route.provider : providers.detect(headers)
  if (name === undefined) return Result.fail(REFUSALS.unproven)
  if (providers.isUnsignedPing(name, headers)) return Result.fail(ignored("a ping"))
  const provider: providers.Provider = providers.PROVIDERS[name]
  const offers = offersOf(provider, headers)
  if (offers.length === 0) return Result.fail(REFUSALS.unproven)
  return Result.succeed({ route, headers, name, provider, offers })
}

/** Whether the headers alone are proof, or else the body may be one; who has nothing of both is sent away. */
export const proofOf = (
  { offers, route }: Delivery,
  secrets: Secrets,
): Result.Result<boolean, Answer> => {
  if (secrets.length === 0)
    return Result.fail(route.kind === "provider" ? REFUSALS.noSecret : REFUSALS.unproven)
  const mayBeBody = offers.some(({ by }) => by !== "token")
  const isProven = provesByToken(offers, secrets)
  return isProven || mayBeBody ? Result.succeed(isProven) : Result.fail(REFUSALS.unproven)
}

/** The payload, once it is proven. `now` in milliseconds since the epoch. */
export const provenPayload = (
  { offers, provider, headers }: Delivery,
  secrets: Secrets,
  body: Uint8Array,
  now: number,
): Result.Result<Uint8Array, Answer> => {
  const { signsPayload } = provider
  const signed = signsPayload ? payloadOf(headers, body) : body
  const isProven = provesByToken(offers, secrets) || provesByBody(offers, secrets, signed, now)
  if (!isProven) return Result.fail(REFUSALS.unproven)
  return Result.succeed(signsPayload ? signed : payloadOf(headers, body))
}

const parse = (bytes: Uint8Array): Result.Result<unknown, Answer> => {
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
    return Result.succeed(JSON.parse(text))
  } catch {
    return Result.fail(REFUSALS.malformed)
  }
}

/** What the proven payload asks for. */
export const toldIn = (
  { provider, headers }: Delivery,
  payload: Uint8Array,
): Result.Result<Told, Answer> => {
  const body = parse(payload)
  if (Result.isFailure(body)) return Result.fail(body.failure)
  const event = providers.readEvent(provider, headers, body.success)
  if (event.kind === "other") return Result.fail(ignored("not a push"))
  if (event.kind === "incomplete") return Result.fail(REFUSALS.malformed)
  const id = providers.deliveryId(provider, headers, body.success)
  return Result.succeed({ push: event.push, id })
}

/** As its provider is to hear it once it has proven itself. */
export const softened = (answer: Answer, { provider }: Delivery): Answer =>
  gently(answer, provider.isTouchy)
