/** Who may speak: what a delivery offers as proof, and whether one of the secrets stands behind it. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"
import { firstOf, type Headers, type Provider } from "./providers.ts"

export type Secrets = ReadonlyArray<Redacted.Redacted>

/** A delivery may offer several; one that holds is enough. */
export type Offer =
  | { readonly by: "token"; readonly token: string }
  | { readonly by: "digest"; readonly digest: Buffer }
  /** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
  | {
      readonly by: "signing"
      readonly id: string
      /** Seconds since the epoch. */
      readonly timestamp: string
      readonly signatures: ReadonlyArray<Buffer>
    }

const DIGEST = /^(?:sha256=)?([0-9a-f]{64})$/iu
const SIGNING_PREFIX = "whsec_"
const MAX_SIGNATURES = 10
/** Seconds that the two clocks may differ. */
const TOLERANCE = 300

/** Strict: of all texts that decode to the same bytes only the one that those bytes encode to. */
const strictBase64 = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64")
  return bytes.toString("base64") === text && bytes.length > 0 ? bytes : undefined
}

/** Another prefix than the provider's own is another algorithm. */
const digestOffer = (header: string | undefined, isPrefixed: boolean): ReadonlyArray<Offer> => {
  const [, hex] = DIGEST.exec(header ?? "") ?? []
  if (hex === undefined || header?.startsWith("sha256=") !== isPrefixed) return []
  return [{ by: "digest", digest: Buffer.from(hex, "hex") }]
}

const tokenOffer = (token: string | undefined): ReadonlyArray<Offer> =>
  token === undefined || token === "" ? [] : [{ by: "token", token }]

const signingOffer = (headers: Headers): ReadonlyArray<Offer> => {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": all } = headers
  if (!id || all === undefined || !/^\d{1,12}$/u.test(timestamp ?? "")) return []
  const signatures = all
    .split(" ", MAX_SIGNATURES)
    .flatMap((one) => (one.startsWith("v1,") ? (strictBase64(one.slice(3)) ?? []) : []))
    .filter(({ length }) => length === 32)
  const isThere = timestamp !== undefined && signatures.length > 0
  return isThere ? [{ by: "signing", id, timestamp, signatures }] : []
}

const basicOffer = (header: string | undefined): ReadonlyArray<Offer> => {
  const [, encoded = ""] = /^basic +(\S{1,4096})$/iu.exec(header ?? "") ?? []
  const text = strictBase64(encoded)?.toString() ?? ""
  return text.includes(":") ? tokenOffer(text.slice(text.indexOf(":") + 1)) : []
}

/** From headers alone: who offers nothing is refused before a byte of the body is read. */
export const offersOf = (provider: Provider, headers: Headers): ReadonlyArray<Offer> => {
  switch (provider.proof) {
    case "digest":
      return digestOffer(firstOf(headers, provider.digests), !provider.signsPayload)
    case "gitlab":
      return [...signingOffer(headers), ...tokenOffer(headers["x-gitlab-token"])]
    case "basic":
      return basicOffer(headers["authorization"])
  }
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest()

/** `undefined`: not such a token, or not well encoded. */
const signingKey = (secret: string): Buffer | undefined =>
  secret.startsWith(SIGNING_PREFIX) ? strictBase64(secret.slice(SIGNING_PREFIX.length)) : undefined

/** Every secret and signature is compared, so that time tells nothing. */
const anyOf = <A>(all: ReadonlyArray<A>, holds: (one: A) => boolean): boolean =>
  all.reduce((found, one) => holds(one) || found, false)

/** `false` where the body is needed. */
export const provesByToken = (offers: ReadonlyArray<Offer>, secrets: Secrets): boolean =>
  anyOf(offers, (offer) => {
    if (offer.by !== "token") return false
    const token = sha256(offer.token)
    return anyOf(secrets, (secret) => timingSafeEqual(sha256(Redacted.value(secret)), token))
  })

/** `signed`: the bytes as they came. `now` in milliseconds since the epoch. */
export const provesByBody = (
  offers: ReadonlyArray<Offer>,
  secrets: Secrets,
  signed: Uint8Array,
  now: number,
): boolean =>
  anyOf(offers, (offer) => {
    if (offer.by === "token") return false
    if (offer.by === "digest") {
      return anyOf(secrets, (secret) =>
        timingSafeEqual(
          createHmac("sha256", Redacted.value(secret)).update(signed).digest(),
          offer.digest,
        ),
      )
    }
    if (Math.abs(now / 1000 - Number(offer.timestamp)) > TOLERANCE) return false
    return anyOf(secrets, (secret) => {
      const key = signingKey(Redacted.value(secret))
      if (key === undefined) return false
      const head = `${offer.id}.${offer.timestamp}.`
      const digest = createHmac("sha256", key).update(head).update(signed).digest()
      return anyOf(offer.signatures, (signature) => timingSafeEqual(digest, signature))
    })
  })
