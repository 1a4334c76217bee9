/** The JSON in a form post. Strangers send forms too, so one field is cut out and nothing else is looked at. */
import type { Headers } from "./providers.ts"

const FORM = "application/x-www-form-urlencoded"
const FIELD = Buffer.from("payload=")
const [AND, PLUS, SPACE] = Buffer.from("&+ ")

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return ""
  }
}

/** Empty where `payload` is not the first field, or not well encoded. */
const fieldOf = (body: Uint8Array): Uint8Array => {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (!bytes.subarray(0, FIELD.length).equals(FIELD)) return new Uint8Array()
  const end = bytes.indexOf(AND ?? 0)
  const field = Buffer.from(bytes.subarray(FIELD.length, end < 0 ? bytes.length : end))
  for (let at = 0; at < field.length; at++) if (field[at] === PLUS) field[at] = SPACE ?? 0
  return Buffer.from(decoded(field.toString()))
}

/** What the provider says: the body, or that field of it. */
export const payloadOf = (headers: Headers, body: Uint8Array): Uint8Array => {
  const type = (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase()
  return type === FORM ? fieldOf(body) : body
}
