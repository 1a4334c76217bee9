/** Requests that got no usable answer -> KubeError: the network, TLS, deadlines, garbage, our own bounds. */
import { type Disposition, KubeError } from "../domain/errors.ts"
import type { WebProxy } from "../domain/proxy.ts"
import { type Asked, oneLine } from "./status.ts"

interface Said {
  readonly code: string
  readonly reason: string
  readonly fix: string
  readonly disposition?: Disposition
  readonly retryAfter?: number
}

/** An error of ours, without an answer: status 0. */
export const unanswered = ({ operation, subject }: Asked, said: Said): KubeError =>
  new KubeError({
    operation,
    subject,
    disposition: "retry",
    status: 0,
    statusReason: "",
    ...said,
  })

type Failure = (asked: Asked, reason: string) => KubeError

const failure =
  (code: string, fix: string, disposition: Disposition = "retry"): Failure =>
  (asked, reason) =>
    unanswered(asked, { code, reason, fix, disposition })

const cut = failure("NOPEA-A018", "look at the API server, and at the network between")
const cutBy = ({ shown }: WebProxy): Failure =>
  failure("NOPEA-A018", `check ${shown}, or name the API server in NO_PROXY`)
const silent = failure("NOPEA-A019", "look at the API server's load, and at the network between")
const untrusted = failure(
  "NOPEA-A023",
  "give the cluster's certificate authority (ca.crt, or certificate-authority-data)",
)
const misnamed = failure(
  "NOPEA-A029",
  "give a namespaced object a namespace, a cluster-scoped one none, and both a name",
  "stall",
)
const unelected = failure("NOPEA-A030", "nothing: the controller that holds it goes on")

export const garbage: Failure = failure(
  "NOPEA-A020",
  "look at what answers at the API server's address (a proxy?)",
)
/** Our own budget. */
export const crowded: Failure = failure(
  "NOPEA-A024",
  "nothing, if it passes; else look at the API server's load",
)
export const idle: Failure = failure("NOPEA-A028", "nothing: the watch is opened anew")
export const outdated: Failure = failure("NOPEA-A031", "use Kubernetes 1.29 or later")

export const late = (asked: Asked, milliseconds: number): KubeError =>
  silent(asked, `no answer from the API server within ${milliseconds / 1_000} s`)

export const nameless = (asked: Asked): KubeError =>
  misnamed(asked, "the name or namespace does not fit the kind")

/** Nothing was sent: another controller may write by now. */
export const notLeading = (asked: Asked): KubeError =>
  unelected(asked, "this process does not hold the lease any more")

export const credentialsError = (subject: string, reason: string): KubeError =>
  failure("NOPEA-A027", "make these credentials readable again")(
    { operation: "authenticate", subject, kind: "" },
    reason,
  )

/** Sent, but never processed or without effect: a read may be sent again. */
export const wasCut = (error: KubeError): boolean => error.code === "NOPEA-A018"

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL/u

/** What undici or TLS threw. Their messages name hosts and ports, never headers or bodies. */
export const broken = (asked: Asked, cause: unknown, proxy?: WebProxy): KubeError => {
  const { name, message = "", code } = (cause ?? {}) as Partial<NodeJS.ErrnoException>
  const said = oneLine(message, 300) || (code ?? "")
  if (name === "HTTPParserError") return garbage(asked, `not an HTTP answer: ${said}`)
  return code !== undefined && CERTIFICATE.test(code)
    ? untrusted(asked, `the API server's certificate is not trusted: ${said}`)
    : proxy === undefined
      ? cut(asked, `cannot reach the API server: ${said}`)
      : cutBy(proxy)(asked, `cannot reach the API server by ${proxy.shown}: ${said}`)
}
