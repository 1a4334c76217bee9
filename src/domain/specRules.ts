/** Rules over several fields of a GitRepository's spec. */
import type { Rule } from "./rules.ts"

const LOOPBACK = /^http:\/\/(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?(\/|$)/u
/** What is neither this nor another known form is refused by the rule of the URL alone. */
const SSH = /^(ssh:\/\/|[^/]*@)/u

interface Located {
  readonly url: string
  readonly secretRef?: unknown
}

const keepsCredentials: Rule<Located> = {
  cel: `!has(self.secretRef) || !self.url.startsWith('http://') || self.url.matches(r'${LOOPBACK.source}')`,
  message:
    "spec.secretRef over plain http would send the credentials in the clear: use https:// (or a loopback address)",
  holds: ({ secretRef, url }) =>
    secretRef === undefined || !url.startsWith("http://") || LOOPBACK.test(url),
}

const hasIdentity: Rule<Located> = {
  cel: `has(self.secretRef) || !self.url.matches(r'${SSH.source}')`,
  message:
    "spec.secretRef is required with an ssh URL: name a Secret with identity and known_hosts",
  holds: ({ secretRef, url }) => secretRef !== undefined || !SSH.test(url),
}

interface Notifying {
  readonly healPolicy: string
  readonly notifyRef?: unknown
}

const canNotify: Rule<Notifying> = {
  cel: "self.healPolicy != 'notify' || has(self.notifyRef)",
  message:
    "spec.notifyRef is required with healPolicy notify: name a Secret with address (and token), or set healPolicy manual",
  holds: ({ healPolicy, notifyRef }) => healPolicy !== "notify" || notifyRef !== undefined,
}

export const SPEC_RULES = [keepsCredentials, hasIdentity, canNotify] as const
