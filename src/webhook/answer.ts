/** What a sender is told: one row for each way a delivery can end. Nothing of the delivery is repeated in it. */

export interface Answer {
  readonly status: number
  /** Such as `NOPEA-W002`; absent where nothing is wrong. */
  readonly code?: string
  readonly reason: string
  readonly fix?: string
}

const row = (status: number, code: string, reason: string, fix: string): Answer => ({
  status,
  code: `NOPEA-${code}`,
  reason,
  fix,
})

export const REFUSALS = {
  noSecret: row(401, "W001", "no webhook secret is configured", "set NOPEA_WEBHOOK_SECRET"),
  unproven: row(
    401,
    "W002",
    "the delivery is not proven, or there is no such repository",
    "check the route, and that provider and controller have the same secret; a digest must be SHA-256",
  ),
  malformed: row(
    400,
    "W003",
    "the body is not JSON, or not as the provider documents it",
    "choose JSON as content type, without a template of your own, and the provider's own route",
  ),
  unmatched: row(
    404,
    "W004",
    "no GitRepository has this clone URL",
    "compare spec.url with the clone URL at the provider",
  ),
  tooLarge: row(413, "W005", "the body is too large", "raise NOPEA_WEBHOOK_MAX_BYTES"),
  busy: row(503, "W006", "too many deliveries at a time", "send it again later; polling goes on"),
  late: row(408, "W007", "the body did not come in time", "send it again"),
  notReady: row(
    503,
    "W008",
    "the controller does not lead, is starting, or cannot ask the API server",
    "send it again later",
  ),
  /** Told in the log only: to the sender it is `unproven`. */
  secretMissing: row(
    401,
    "W009",
    "the Secret of spec.webhook.secretRef is missing or empty",
    "create it in the GitRepository's namespace: each of its values is a valid secret",
  ),
  /** Told in the log only: to the sender it is `notReady`, or nothing where older values go on being valid. */
  secretUnread: row(
    503,
    "W011",
    "the Secret of spec.webhook.secretRef cannot be read now",
    "see why the API server does not answer",
  ),
  encoded: row(400, "W010", "the body is compressed", "send it without Content-Encoding"),
} as const satisfies Readonly<Record<string, Answer>>

export const queued = (count: number): Answer => ({
  status: 202,
  reason: `queued for ${count} GitRepositor${count === 1 ? "y" : "ies"}`,
})

export const ignored = (reason: string): Answer => ({ status: 200, reason: `ignored: ${reason}` })

/** Providers that switch a hook off on 4xx hear of a proven delivery's fault in words only. */
export const gently = (answer: Answer, isTouchy: boolean): Answer =>
  isTouchy && answer.status >= 400 && answer.status < 500 ? { ...answer, status: 200 } : answer

export const textOf = ({ code, reason, fix }: Answer): string =>
  `${code === undefined ? "" : `${code} `}${reason}${fix === undefined ? "" : `; ${fix}`}\n`
