/**
 * Posts one notification to its receiver. The address is the tenant's own and may be any host that the controller
 * reaches, also inside the cluster: that is where receivers live. What a tenant could gain by naming another is small:
 * the body is ours, the answer is not shown (only its status), no redirect is followed, and addresses that are never a
 * receiver are refused. Network policies limit the rest.
 */
import { lookup } from "node:dns"
import type { LookupFunction } from "node:net"
import { Effect, Redacted } from "effect"
import type { Variables } from "../domain/proxy.ts"
import {
  forbiddenAddress,
  noAnswer,
  type Receiver,
  refusedWith,
  type Undelivered,
} from "./notification.ts"
import { sendingBy } from "./Sending.ts"

export type Post = (receiver: Receiver, body: string) => Effect.Effect<void, Undelivered>

/** `resolve`: how names become addresses. */
export const postingBy = (resolve: LookupFunction, variables?: Variables): Post => {
  const send = sendingBy(resolve, variables)
  return Effect.fn("Notifier.post")(function* ({ url, token }, body) {
    const authorization =
      token === undefined ? {} : { authorization: `Bearer ${Redacted.value(token)}` }
    const headers = { "content-type": "application/json", ...authorization }
    const { status, retryAfter } = yield* send({ url, headers, body }).pipe(
      Effect.mapError(({ how, why, proxy }) =>
        how === "forbidden" ? forbiddenAddress(url) : noAnswer(url, why, proxy),
      ),
    )
    if (status < 200 || status >= 300)
      return yield* Effect.fail(refusedWith(url, status, retryAfter))
  })
}

export const post: Post = postingBy(lookup)
