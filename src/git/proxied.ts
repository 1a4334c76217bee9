/** What a failure means where a proxy stands before the server: which of the two it was, told without its password. */
import { GitError } from "../domain/errors.ts"
import type { WebProxy } from "../domain/proxy.ts"
import { gitError, isFault } from "./failure.ts"
import type { Answered } from "./protocol.ts"

const SAID = /\bproxy\b|CONNECT tunnel failed/iu

const REFUSED: Readonly<Record<number, string>> = {
  403: ": it does not let the controller speak to this server",
  407: ": it wants a user and a password, or does not accept these",
}

/** `stderr` is git's: curl names the host that it could not connect to. */
export const proxied = (
  error: GitError,
  { stderr, status, isByProxy }: Answered & { readonly stderr: string },
  proxy: WebProxy | undefined,
): GitError => {
  if (proxy === undefined) return error
  const { hostname, shown } = proxy
  const fix = `check ${shown}, with its user and password; or name this server in NO_PROXY`
  const blame = (reason: string) => new GitError({ ...gitError("proxy", error, reason), fix })
  if (isByProxy === true || status === 407) {
    return blame(`${shown} answered ${status}${REFUSED[status] ?? ""}`)
  }
  const words = stderr.replace(/'[^'\n]*:\/\/[^'\n]*'/gu, "")
  const isUnreachable = isFault(error, "unreachable") && words.includes(hostname)
  if (SAID.test(words) || isUnreachable) return blame(`${shown} does not serve: ${error.reason}`)
  if (!isFault(error, "unreachable", "timeout", "tls", "badAnswer")) return error
  const reason = `${error.reason}; it was asked by ${shown}`
  return new GitError({ ...error, reason, fix: `${error.fix}; and check ${shown}` })
}
