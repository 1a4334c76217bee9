/** A Secret's `stringData` as the `data` that the API server keeps. */
import type { JsonObject } from "../domain/object.ts"
import { isMapping } from "./parsed.ts"

const encode = (text: unknown): string => Buffer.from(String(text)).toString("base64")

/**
 * Whoever applies `stringData` owns fields that nobody can edit: a change of `data` would be no drift, and a
 * key that leaves Git would stay. Values that are no text are left for the API server to refuse.
 * https://github.com/kubernetes/kubernetes/issues/70281
 */
export const withoutStringData = (object: JsonObject): JsonObject => {
  const { stringData, ...rest } = object
  const data = rest["data"] ?? {}
  if (rest["kind"] !== "Secret" || rest["apiVersion"] !== "v1") return object
  if (!isMapping(stringData) || !isMapping(data)) return object
  const texts = Object.entries(stringData)
  if (!texts.every(([, text]) => typeof text === "string")) return object
  return {
    ...rest,
    data: { ...data, ...Object.fromEntries(texts.map(([k, t]) => [k, encode(t)])) },
  }
}
