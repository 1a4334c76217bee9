/** Rules that the decoder and the API server both check, each with one message for people. */
import { Schema, type SchemaAST } from "effect"

export interface Rule<A> {
  /** The same rule in CEL; `self` is the value. https://kubernetes.io/docs/reference/using-api/cel/ */
  readonly cel: string
  readonly message: string
  readonly holds: (value: A) => boolean
}

/** What stands in the CRD below `x-kubernetes-validations`. */
export const celOf = ({
  cel: rule,
  message,
}: Omit<Rule<never>, "holds">): { readonly rule: string; readonly message: string } => ({
  rule,
  message,
})

export const check = <A>(rule: Rule<A>): SchemaAST.Filter<A> =>
  Schema.makeFilter((value: A) => rule.holds(value) || rule.message, {
    toJsonSchema: () => ({ "x-kubernetes-validations": [celOf(rule)] }),
  })

/** RE2 in CEL and JavaScript's `u` flag agree on what is used here: no look-around, no `\s`. */
export const matches = (pattern: RegExp, message: string): Rule<string> => ({
  cel: `self.matches(r'${pattern.source}')`,
  message,
  holds: (text) => pattern.test(text),
})

/** The contrary of `matches`. */
export const avoids = (pattern: RegExp, message: string): Rule<string> => ({
  cel: `!self.matches(r'${pattern.source}')`,
  message,
  holds: (text) => !pattern.test(text),
})

const NAME_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

/** The name of a Secret, ServiceAccount or custom resource. */
export const Name = Schema.String.check(
  Schema.isPattern(new RegExp(`^${NAME_PART}(\\.${NAME_PART})*$`, "u"), {
    expected: "a Kubernetes name: lower-case letters, digits, '-' and '.'",
  }),
  Schema.isMaxLength(253),
)

/** A namespace, or any name that has to be a label's value. */
export const Label = Schema.String.check(
  Schema.isPattern(new RegExp(`^${NAME_PART}$`, "u"), {
    expected: "a Kubernetes name: lower-case letters, digits and '-'",
  }),
  Schema.isMaxLength(63),
)

const REFERENCE_BYTES = /^[^-/.\p{Cc}\p{Z}~^:?*\x5B\x5C][^\p{Cc}\p{Z}~^:?*\x5B\x5C]*$/u

/** A branch or tag by its short name. https://git-scm.com/docs/git-check-ref-format */
export const ReferenceName = Schema.String.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(255),
  check(
    matches(
      REFERENCE_BYTES,
      "must be a Git reference name: no spaces, no control characters, none of ~^:?*[\\, and no leading - / .",
    ),
  ),
  check(
    avoids(
      /\.\.|\/\/|@\{|[/.]$|\.lock$/u,
      "must be a Git reference name: no .., // or @{, and it ends in none of / . .lock",
    ),
  ),
)
