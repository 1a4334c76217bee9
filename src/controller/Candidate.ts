/** One candidate at the API server: each attempt looks at the Lease and does what the rules say, within a bound. */
import { Effect } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { Caller, Kube, ObjectName } from "../kube/Kube.ts"
import * as rules from "./election.ts"
import {
  LEASES,
  type Lease,
  type LeaseSpec,
  leaseBody,
  leasePatch,
  parseLease,
  RELEASED,
} from "./lease.ts"

const LEADER: Caller = { budget: "leader" }

export interface Candidate {
  readonly kube: Kube["Service"]
  readonly name: ObjectName
  readonly now: () => rules.Instant
  view: rules.View
}

export type Outcome = rules.Decision | { readonly do: "failed"; readonly problem: string }

const read = ({ kube, name, view }: Candidate): Effect.Effect<Lease | null, KubeError> =>
  kube.get(LEADER, LEASES, name).pipe(
    Effect.map((object) => parseLease(object, view.timing.lease)),
    Effect.catchIf(
      (error) => error.status === 404,
      () => Effect.succeed(null),
    ),
  )

const send = (
  { kube, name, view }: Candidate,
  known: Lease | null,
  spec: LeaseSpec,
): Effect.Effect<Lease, KubeError> => {
  const sent = known
    ? kube.mergePatch(LEADER, LEASES, name, leasePatch(known, spec))
    : kube.create(LEADER, LEASES, name.namespace, leaseBody(name.namespace, spec))
  return Effect.map(sent, (object) => parseLease(object, view.timing.lease))
}

/** A write that does not come back leaves nothing known. 409, or 404 of a patch: the Lease is not as we knew it. */
const claim = (
  self: Candidate,
  decision: rules.Decision & { readonly do: "acquire" | "renew" },
): Effect.Effect<Outcome, KubeError> =>
  Effect.suspend(() => {
    const known = self.view.known ?? null
    const sentAt = self.now()
    self.view = rules.forget(self.view)
    return send(self, known, decision.spec).pipe(
      Effect.map((lease): Outcome => {
        self.view = rules.wrote(self.view, lease, sentAt)
        return decision
      }),
      Effect.catchIf(
        ({ status }) => status === 409 || (status === 404 && known !== null),
        () => Effect.succeed<Outcome>({ do: "read" }),
      ),
    )
  })

const round = Effect.fnUntraced(function* (self: Candidate): Effect.fn.Return<Outcome, KubeError> {
  if (self.view.known === undefined) {
    const found = yield* read(self)
    self.view = rules.saw(self.view, found, self.now())
  }
  const decision = rules.decide(self.view, self.now())
  if (decision.do === "acquire" || decision.do === "renew") return yield* claim(self, decision)
  const after = decision.do === "lost" ? rules.ousted : rules.forget
  self.view = after(self.view, self.now())
  return decision
})

/** One look, acquisition or renewal, bounded; a contended write looks again at once. */
export const attempt = (self: Candidate): Effect.Effect<Outcome> => {
  const limit = rules.attemptLimit(self.view.timing)
  const late: Outcome = { do: "failed", problem: `no answer about the Lease in ${limit / 1_000} s` }
  return round(self).pipe(
    Effect.filterOrElse(
      (first) => first.do !== "read",
      () => round(self),
    ),
    Effect.catch((error) => Effect.succeed<Outcome>({ do: "failed", problem: error.message })),
    Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.succeed(late) }),
  )
}

/** Gives a held lease back, so that the next one need not wait; `undefined`: done, or not ours. */
export const release = (self: Candidate): Effect.Effect<string | undefined> =>
  Effect.suspend(() => {
    const { known, heldFrom, identity, timing } = self.view
    self.view = rules.resigned(self.view)
    if (heldFrom === undefined) return Effect.undefined
    const limit = rules.attemptLimit(timing)
    return (known === undefined ? read(self) : Effect.succeed(known)).pipe(
      Effect.flatMap((lease) =>
        lease?.holder === identity ? Effect.asVoid(send(self, lease, RELEASED)) : Effect.void,
      ),
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed(error.message)),
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => Effect.succeed(`no answer in ${limit / 1_000} s`),
      }),
    )
  })
