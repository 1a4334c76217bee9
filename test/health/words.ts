// A live object in a few words, and what is said of it in one.
import type { GroupKind } from "../../src/domain/object.ts"
import { parseGroupKind } from "../../src/domain/object.ts"
import { compute } from "../../src/health/compute.ts"

export type Fields = Readonly<Record<string, unknown>>

/** At generation 2, which its controller has seen unless the status says otherwise. */
export const live = (spec: Fields, status?: Fields, metadata: Fields = {}): Fields => ({
  metadata: { name: "a", namespace: "shop", generation: 2, ...metadata },
  spec,
  ...(status === undefined ? {} : { status }),
})

export const seen = (status: Fields): Fields => ({ observedGeneration: 2, ...status })

/** `Ready=False:NotYet:the reason` */
export const conditions = (...all: ReadonlyArray<string>): Fields => ({
  conditions: all.map((one) => {
    const [type = "", rest = ""] = one.split("=")
    const [status = "", reason = "", message = ""] = rest.split(":")
    return { type, status, reason, message }
  }),
})

/** `healthy`, or `progressing: 0 of 1 replicas are updated`. */
export const healthOf = (kind: string | GroupKind, object: unknown): string => {
  const { state, reason } = compute(typeof kind === "string" ? parseGroupKind(kind) : kind, object)
  return reason === "" ? state : `${state}: ${reason}`
}
