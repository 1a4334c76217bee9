/** What the API server answered -> KubeError: one table of rules, the first that matches decides. */
import { type Disposition, KubeError } from "../domain/errors.ts"
import {
  type Asked,
  fieldPaths,
  fieldWords,
  isNotBase64,
  oneLine,
  rbacRefusal,
  type Seen,
  seenOf,
  typedWords,
  words,
} from "./status.ts"

type Words = string | ((seen: Seen) => string)

interface Rule {
  readonly code: string
  readonly disposition: Disposition
  readonly when: (seen: Seen) => boolean
  readonly reason: Words
  readonly fix: Words
}

const hasCause = (seen: Seen, reason: string): boolean =>
  seen.causes.some((cause) => cause.reason === reason)

const IMMUTABLE =
  /immutable|may not (?:be )?change|cannot (?:be )?(?:change|update|modif)|updates to .* are forbidden/iu

/** All of them: beside an immutable field something invalid is the author's error first. */
const isImmutable = (seen: Seen): boolean =>
  seen.causes.length > 0 && seen.causes.every((cause) => IMMUTABLE.test(cause.message ?? ""))

const ESCALATION = "attempting to grant RBAC permissions not currently held"

const webhookOf = (seen: Seen): string => {
  const [, name] = /webhook "([^"]*)"/u.exec(seen.message) ?? []
  return name === undefined ? "an admission policy" : `admission webhook "${name}"`
}

/** Order matters: the special before the general. */
const RULES: ReadonlyArray<Rule> = [
  {
    code: "NOPEA-A001",
    disposition: "retry",
    when: (s) => s.status === 401,
    reason: "the API server does not accept our credentials",
    fix: "check the service account's token, or the user in the kubeconfig",
  },
  {
    code: "NOPEA-A014",
    disposition: "wait",
    when: (s) => hasCause(s, "NamespaceTerminating"),
    reason: "the namespace is being deleted",
    fix: "nothing, if it is created anew afterwards; else remove the object from Git",
  },
  {
    code: "NOPEA-A002",
    disposition: "retry",
    when: (s) =>
      s.status === 403 && (rbacRefusal(s) !== undefined || s.message.includes(ESCALATION)),
    reason: (s) => rbacRefusal(s)?.sentence ?? words(s),
    fix: (s) => rbacRefusal(s)?.grant ?? "grant the account the rights that this role holds",
  },
  {
    code: "NOPEA-A025",
    disposition: "wait",
    when: (s) => s.status === 403 && /exceeded quota|not found|was found/u.test(s.message),
    reason: words,
    fix: "raise the ResourceQuota, or create what the object names",
  },
  {
    code: "NOPEA-A011",
    disposition: "stall",
    when: (s) => s.status === 403 || /denied (?:the )?request/u.test(s.message),
    reason: (s) => (s.secret ? `${webhookOf(s)} denied the request` : words(s)),
    fix: "change the object as the policy asks, or the policy",
  },
  {
    code: "NOPEA-A013",
    disposition: "wait",
    when: (s) => s.status === 404 && s.kind === "namespaces" && s.asked.kind !== "Namespace",
    reason: (s) => `namespace ${s.name} does not exist`,
    fix: "add the Namespace to Git, or create it",
  },
  {
    code: "NOPEA-A003",
    disposition: "retry",
    when: (s) => s.status === 404 && s.name !== "",
    reason: "no such object",
    fix: "nothing: it is looked for again",
  },
  {
    code: "NOPEA-A015",
    disposition: "wait",
    when: (s) => s.status === 404,
    reason: "the API server does not serve this kind",
    fix: "install its CustomResourceDefinition, or correct apiVersion and kind",
  },
  {
    code: "NOPEA-A006",
    disposition: "retry",
    when: (s) => s.status === 409 && s.reason === "AlreadyExists",
    reason: "an object of this name exists already",
    fix: "nothing: it is looked at again",
  },
  {
    code: "NOPEA-A026",
    disposition: "retry",
    when: (s) => hasCause(s, "FieldManagerConflict"),
    reason: fieldWords,
    fix: "let one field manager own these fields",
  },
  {
    code: "NOPEA-A005",
    disposition: "retry",
    when: (s) => s.status === 409 || (s.status === 422 && fieldPaths(s).join() === "metadata.uid"),
    reason: "the object changed, went, or was recreated since it was looked at",
    fix: "nothing: it is looked at again",
  },
  {
    code: "NOPEA-A007",
    disposition: "retry",
    when: (s) => s.status === 410,
    reason: "the position in the history of these objects has expired",
    fix: "nothing: they are listed anew",
  },
  {
    code: "NOPEA-A008",
    disposition: "stall",
    when: (s) =>
      s.status === 413 ||
      /request is too large|larger than max/u.test(s.message) ||
      s.causes.some(
        (c) => c.reason === "FieldValueTooLong" && /^(?:\[\]|data)$/u.test(c.field ?? ""),
      ),
    reason: "the object is too large (a ConfigMap or Secret takes 1 MiB, others about 1.5 MiB)",
    fix: "split the object, or keep large content outside the cluster",
  },
  {
    code: "NOPEA-A004",
    disposition: "stall",
    when: (s) => s.status === 422 && isImmutable(s),
    reason: (s) => `field is immutable: ${fieldPaths(s).join(", ")}`,
    fix: "set spec.force, or rename the object",
  },
  {
    code: "NOPEA-A009",
    disposition: "stall",
    when: (s) => s.status === 422,
    reason: fieldWords,
    fix: "correct these fields in Git",
  },
  {
    code: "NOPEA-A010",
    disposition: "stall",
    when: (s) => /^failed to (?:create typed patch object|convert new object)/u.test(s.message),
    reason: typedWords,
    fix: (s) =>
      isNotBase64(s)
        ? "write plain text below stringData, or encode the values below data in base64"
        : "correct the field's name or type in Git (kubectl explain knows them)",
  },
  {
    code: "NOPEA-A012",
    disposition: "retry",
    when: (s) => s.message.includes("failed calling webhook"),
    reason: (s) => (s.secret ? `${webhookOf(s)} did not answer` : words(s)),
    fix: (s) => `look after ${webhookOf(s)}, or its failurePolicy`,
  },
  {
    code: "NOPEA-A016",
    disposition: "retry",
    when: (s) => s.status === 429,
    reason: "the API server asks for fewer requests",
    fix: "nothing: requests slow down by themselves",
  },
  {
    code: "NOPEA-A017",
    disposition: "retry",
    when: (s) => s.status >= 500,
    reason: words,
    fix: "look at the API server's health, if it lasts",
  },
  {
    code: "NOPEA-A022",
    disposition: "stall",
    when: (s) => s.status === 405 || s.status === 406 || s.status === 415,
    reason: words,
    fix: "this kind cannot be used in this way: look at what its API server supports",
  },
  {
    code: "NOPEA-A021",
    disposition: "stall",
    when: () => true,
    reason: words,
    fix: "correct the object in Git",
  },
]

const say = (text: Words, seen: Seen): string =>
  oneLine(typeof text === "string" ? text : text(seen))

/** The typed error of an answer that is not a success; `retryAfter` in milliseconds. */
export const refused = (
  asked: Asked,
  answer: {
    readonly status: number
    readonly body: string
    readonly retryAfter?: number | undefined
  },
): KubeError => {
  const seen = seenOf(asked, answer.status, answer.body)
  const rule = RULES.find(({ when }) => when(seen)) as Rule
  const retryAfter = answer.retryAfter ?? seen.retryAfter
  return new KubeError({
    code: rule.code,
    operation: asked.operation,
    subject: asked.subject,
    reason: say(rule.reason, seen),
    fix: say(rule.fix, seen),
    disposition: rule.disposition,
    status: seen.status,
    statusReason: seen.reason,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}

/** Retry-After (seconds, or an HTTP date) in milliseconds, at most ten minutes. */
export const retryAfterOf = (header: unknown, now: number): number | undefined => {
  const text = Array.isArray(header) ? header[0] : header
  if (typeof text !== "string" || text === "") return undefined
  const wait = /^[0-9]+$/u.test(text) ? Number(text) * 1_000 : Date.parse(text) - now
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), 600_000)
}
