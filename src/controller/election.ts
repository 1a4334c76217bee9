/**
 * The rules of leader election: what one candidate knows, and what it does next.
 *
 * Never two leaders, because the two sides count from different ends. A holder counts from the moment it *sent*
 * its last successful write, and has stopped `abortAfter` later. Everybody else counts the lease's duration from
 * the moment it first *saw* that write, on its own monotonic clock: timestamps in the Lease are for people. This
 * holds while two clocks run at rates less than 6 % apart, and every write is conditional on what was read.
 */
import { claimed, type Lease, type LeaseSpec } from "./lease.ts"

/** Milliseconds; `lease` in whole seconds. */
export interface Timing {
  /** Others may take a lease that was not renewed for so long. */
  readonly lease: number
  /** A holder that could not renew for so long stops its work. */
  readonly renew: number
  /** Between two looks or renewals. */
  readonly retry: number
}

export const TIMING: Timing = { lease: 15_000, renew: 10_000, retry: 2_000 }

/** Work that has not ended so long after the last renewal was sent costs the process its life. */
export const abortAfter = ({ lease, renew }: Timing): number => lease - (lease - renew) / 5

/** Bound of one look or renewal: one that hangs leaves time for another. */
export const attemptLimit = ({ renew, retry }: Timing): number => (renew - retry) / 2

/** One moment on two clocks, in milliseconds. A monotonic clock may stand still while its machine sleeps. */
export interface Instant {
  readonly monotonic: number
  readonly wall: number
}

/** A holder's sign of life, and when it was first seen on our monotonic clock. */
interface Sighting {
  readonly holder: string
  readonly beat: string
  readonly expires: number
}

export interface View {
  readonly identity: string
  readonly timing: Timing
  /** As last read or written; `null`: there is none; `undefined`: to be read. */
  readonly known: Lease | null | undefined
  readonly sighting: Sighting | undefined
  /** When the last successful write was sent; `undefined`: not leading. */
  readonly heldFrom: Instant | undefined
}

export const candidate = (identity: string, timing: Timing): View => ({
  identity,
  timing,
  known: undefined,
  sighting: undefined,
  heldFrom: undefined,
})

/** Metadata may change without the holder's doing: only the spec is a sign of life. */
const beatOf = (lease: Lease): string =>
  JSON.stringify([lease.holder, lease.renewTime, lease.acquireTime, lease.transitions])

/** A read was answered; `now` is after the answer. */
export const saw = (view: View, known: Lease | null, now: Instant): View => {
  if (known === null || beatOf(known) === view.sighting?.beat) return { ...view, known }
  const { holder, duration } = known
  const sighting = { holder, beat: beatOf(known), expires: now.monotonic + duration }
  return { ...view, known, sighting }
}

/** A write is under way, was refused, or may be lost: the Lease has to be read again. */
export const forget = (view: View): View => ({ ...view, known: undefined })

/** A write succeeded; `sentAt` is before it was sent. */
export const wrote = (view: View, known: Lease, sentAt: Instant): View => ({
  ...view,
  known,
  heldFrom: sentAt,
})

/** Somebody else has the Lease: as if the time to renew had run out by now. */
export const ousted = (view: View, now: Instant): View => {
  const { monotonic } = view.heldFrom ?? now
  const latest = Math.min(monotonic, now.monotonic - view.timing.renew)
  return { ...forget(view), heldFrom: { monotonic: latest, wall: now.wall } }
}

/** The work has ended. */
export const resigned = (view: View): View => ({ ...forget(view), heldFrom: undefined })

/** Milliseconds since the last successful write was sent, by the clock that says more; not leading: for ever. */
export const heldFor = ({ heldFrom }: View, now: Instant): number =>
  heldFrom === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(now.monotonic - heldFrom.monotonic, now.wall - heldFrom.wall)

export const mayWrite = (view: View, now: Instant): boolean =>
  heldFor(view, now) < view.timing.renew

/** Milliseconds until the work must have ended: no limit while the lease is being renewed. */
export const timeLeft = (view: View, now: Instant): number =>
  mayWrite(view, now)
    ? Number.POSITIVE_INFINITY
    : Math.max(0, abortAfter(view.timing) - heldFor(view, now))

export type Decision =
  | { readonly do: "read" }
  /** Create the Lease, or patch the known one, with this spec. */
  | { readonly do: "acquire" | "renew"; readonly spec: LeaseSpec }
  | { readonly do: "wait"; readonly ms: number; readonly holder: string }
  | { readonly do: "lost"; readonly holder: string }

/** A Lease that vanished counts on: its holder may not know yet. */
const othersLeft = ({ identity, sighting }: View, now: Instant): number =>
  sighting === undefined || sighting.holder === "" || sighting.holder === identity
    ? 0
    : sighting.expires - now.monotonic

export const decide = (view: View, now: Instant): Decision => {
  const { known, identity, sighting } = view
  if (known === undefined) return { do: "read" }
  const spec = claimed(known, { identity, duration: view.timing.lease, wall: now.wall })
  if (known?.holder === identity) return { do: "renew", spec }
  if (known !== null && view.heldFrom !== undefined) return { do: "lost", holder: known.holder }
  const ms = othersLeft(view, now)
  return ms > 0 ? { do: "wait", ms, holder: sighting?.holder ?? "" } : { do: "acquire", spec }
}

export type Leadership =
  | { readonly role: "off" | "leader" }
  /** `holder` is empty where nobody is known to lead; `problem` says why we cannot know. */
  | { readonly role: "standby"; readonly holder: string; readonly problem?: string | undefined }

/** For `/ready`: only who may write is ready. */
export const whyNotLeading = (leadership: Leadership): string | undefined => {
  if (leadership.role !== "standby") return undefined
  const { holder, problem } = leadership
  return `standby: ${problem ?? `${holder === "" ? "nobody" : holder} leads`}`
}

/** `auto`: on in a pod, off with a kubeconfig. */
export const isElected = (
  setting: "auto" | "true" | "false",
  kubeconfig: string,
  environment: Readonly<Record<string, string | undefined>>,
): boolean =>
  setting === "auto"
    ? kubeconfig === "" && (environment["KUBERNETES_SERVICE_HOST"] ?? "") !== ""
    : setting === "true"
