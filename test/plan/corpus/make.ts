// One object of the corpus: its kind and name in a line, and the rest of it.
import type { JsonObject, KubeObject } from "../../../src/domain/object.ts"

export type Made = KubeObject

/** `apps/v1 Deployment web`; metadata in `rest` is merged. */
export const make = (line: string, rest: object): Made => {
  const [apiVersion = "", kind = "", name = ""] = line.split(" ")
  const { metadata = {}, ...fields } = rest as { readonly metadata?: JsonObject }
  return { apiVersion, kind, ...fields, metadata: { ...metadata, name } }
}
