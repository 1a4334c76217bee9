// The ways in which the test Git server can be made to fail, and who they meet.

/** Which request: the advertisement (`info/refs`), or one of the commands after it. */
export type Step = "advertisement" | "rpc"

export type Failure =
  /** Answers right, but late. */
  | { readonly kind: "slow"; readonly ms: number }
  /** Accepts and never answers. */
  | { readonly kind: "stall" }
  /** Stops in the middle of the body and keeps the connection open. */
  | { readonly kind: "stallAfter"; readonly bytes: number }
  | {
      readonly kind: "status"
      readonly code: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }
  /** 200 with the right content type and no sense. */
  | { readonly kind: "garbage" }
  /** 302 to the same path below another repository URL. */
  | { readonly kind: "redirect"; readonly to: string }
  /** Cuts the connection, or with `clean` ends the answer, after so many bytes of the body. */
  | { readonly kind: "truncate"; readonly bytes: number; readonly clean?: boolean }

export interface FailureRule {
  readonly failure: Failure
  /** Default: both. */
  readonly step?: Step
  /** Only the next so many matching requests; default: until `recover`. */
  readonly times?: number
}

export const slow = (ms: number): Failure => ({ kind: "slow", ms })
export const stall = (): Failure => ({ kind: "stall" })
export const stallAfter = (bytes: number): Failure => ({ kind: "stallAfter", bytes })
export const status = (
  code: number,
  headers: Readonly<Record<string, string>> = {},
  body = "",
): Extract<Failure, { readonly kind: "status" }> => ({ kind: "status", code, headers, body })
export const garbage = (): Failure => ({ kind: "garbage" })
export const redirect = (to: string): Failure => ({ kind: "redirect", to })
export const truncate = (bytes: number, clean = false): Failure => ({
  kind: "truncate",
  bytes,
  clean,
})
