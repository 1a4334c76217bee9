/** Requests that got no usable answer -> KubeError: the network, TLS, deadlines, garbage, our own bounds. */
import { type Disposition, KubeError } from "../domain/errors.ts"
import { type Asked, oneLine } from "./status.ts"

interface Said {
  readonly code: string
  readonly reason: string
  readonly fix: string
  readonly disposition?: Disposition
  readonly retryAfter?: number
}

/** An error of ours, without an answer: status 0. */
export const unanswered = (asked: Asked, said: Said): KubeError =>
  new KubeError({
    operation: asked.operation,
    subject: asked.subject,
    disposition: "retry",
    status: 0,
    statusReason: "",
    ...said,
  })

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL/u
const TOO_LARGE = "UND_ERR_RES_EXCEEDED_MAX_SIZE"
const LATE = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"])

/** Sent, but never processed or without effect: a read may be sent again. */
export const wasCut = (error: KubeError): boolean => error.code === "NOPEA-A018"

export const late = (asked: Asked, milliseconds: number): KubeError =>
  unanswered(asked, {
    code: "NOPEA-A019",
    reason: `no answer from the API server within ${milliseconds / 1_000} s`,
    fix: "look at the API server's load, and at the network between",
  })

/** Nothing was sent: another controller may write by now. */
export const notLeading = (asked: Asked): KubeError =>
  unanswered(asked, {
    code: "NOPEA-A030",
    reason: "this process does not hold the lease any more",
    fix: "nothing: the controller that holds it goes on",
  })

export const garbage = (asked: Asked, what: string): KubeError =>
  unanswered(asked, {
    code: "NOPEA-A020",
    reason: what,
    fix: "look at what answers at the API server's address (a proxy?)",
  })

const codeOf = (cause: unknown): string => {
  const { code } = (cause ?? {}) as { readonly code?: unknown }
  return typeof code === "string" ? code : ""
}

/** What undici or TLS threw. Their messages name hosts and ports, never headers or bodies. */
export const broken = (asked: Asked, cause: unknown): KubeError => {
  const code = codeOf(cause)
  const message = oneLine(cause instanceof Error ? cause.message : "", 300) || code
  if (code === TOO_LARGE) return garbage(asked, "the answer is larger than the configured bound")
  if (cause instanceof Error && cause.name === "HTTPParserError")
    return garbage(asked, `not an HTTP answer: ${message}`)
  if (LATE.has(code))
    return unanswered(asked, {
      code: "NOPEA-A019",
      reason: "the API server went silent",
      fix: "look at the API server's load, and at the network between",
    })
  if (CERTIFICATE.test(code))
    return unanswered(asked, {
      code: "NOPEA-A023",
      reason: `the API server's certificate is not trusted: ${message}`,
      fix: "give the cluster's certificate authority (ca.crt, or certificate-authority-data)",
    })
  return unanswered(asked, {
    code: "NOPEA-A018",
    reason: `cannot reach the API server: ${message}`,
    fix: "look at the API server, and at the network between",
  })
}

export const idle = (asked: Asked, milliseconds: number): KubeError =>
  unanswered(asked, {
    code: "NOPEA-A028",
    reason: `neither event nor bookmark within ${milliseconds / 1_000} s`,
    fix: "nothing: the watch is opened anew",
  })

export const nameless = (asked: Asked): KubeError =>
  unanswered(asked, {
    code: "NOPEA-A029",
    reason: "the name or namespace does not fit the kind",
    fix: "give a namespaced object a namespace, a cluster-scoped one none, and both a name",
    disposition: "stall",
  })
