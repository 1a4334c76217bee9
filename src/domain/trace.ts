/** Trace context as other tools send it and get it: https://www.w3.org/TR/trace-context/. Pure. */

export interface TraceContext {
  /** 32 hexadecimal digits, lower case, not all zero. */
  readonly traceId: string
  /** 16 of them: the span that what follows belongs to. */
  readonly spanId: string
  readonly sampled: boolean
  /** What others keep in `tracestate`, handed on as it came. */
  readonly state?: string
}

/** Of those who asked for one sync: the first is its parent, the others are linked; more are forgotten. */
export const MAX_TRACES = 8

/** A later version may have more behind a fourth dash; 255 is no version. */
const PARENT =
  /^(?!ff)(?<version>[0-9a-f]{2})-(?<traceId>(?!0{32})[0-9a-f]{32})-(?<spanId>(?!0{16})[0-9a-f]{16})-(?<flags>[0-9a-f]{2})(?<more>-[!-~]{0,200})?$/u

const KEY = /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})$/u
const VALUE = /^[ -+\--<>-~]{0,255}[!-+\--<>-~]$/u
const MAX_STATE = 512
const MAX_MEMBERS = 32

/** As it is sent on: members without the spaces around them; `undefined`: not a list, or too long. */
const stateOf = (text: string): string | undefined => {
  if (text.length > 2 * MAX_STATE) return undefined
  const members = text.split(",").map((member) => member.replace(/^[ \t]+|[ \t]+$/gu, ""))
  const filled = members.filter((member) => member !== "")
  const keys = new Set(filled.map((member) => member.split("=", 1)[0] ?? ""))
  const isList = filled.every((member) => {
    const [key = ""] = member.split("=", 1)
    return KEY.test(key) && VALUE.test(member.slice(key.length + 1)) && member[key.length] === "="
  })
  const state = filled.join(",")
  const isFine = isList && keys.size === filled.length && filled.length <= MAX_MEMBERS
  return isFine && state !== "" && state.length <= MAX_STATE ? state : undefined
}

/** From headers with names in lower case; what is not as the standard says is not there. */
export const traceOf = (
  headers: Readonly<Record<string, string | undefined>>,
): TraceContext | undefined => {
  const found = PARENT.exec(headers["traceparent"] ?? "")?.groups
  if (found === undefined || (found["version"] === "00" && found["more"] !== undefined))
    return undefined
  const { traceId = "", spanId = "", flags = "" } = found
  const state = stateOf(headers["tracestate"] ?? "")
  const sampled = (Number.parseInt(flags, 16) & 1) === 1
  return { traceId, spanId, sampled, ...(state === undefined ? {} : { state }) }
}

/** As headers of a request. */
export const traceHeaders = (trace: TraceContext | undefined): Readonly<Record<string, string>> => {
  if (trace === undefined) return {}
  const { traceId, spanId, sampled, state } = trace
  const traceparent = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
  return state === undefined ? { traceparent } : { traceparent, tracestate: state }
}
