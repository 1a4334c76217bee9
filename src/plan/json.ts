/** JSON text to trees: no digit is lost. */
import type { Json, JsonObject } from "../domain/object.ts"

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

const revive: Reviver = (_, value, { source }) =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/u.test(source ?? "")
    ? BigInt(source ?? "")
    : value

/** Parses JSON text; integers beyond ±2^53 come back as `bigint`. */
export const parseJson = (text: string): Json =>
  /\d{16}/u.test(text)
    ? (JSON.parse(text, revive as (key: string, value: unknown) => unknown) as Json)
    : (JSON.parse(text) as Json)

export const isJsonObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The object in a JSON text; empty where it holds something else. */
export const parseObject = (text: string): JsonObject => {
  const tree = parseJson(text)
  return isJsonObject(tree) ? tree : {}
}
