/** Rules that the decoder and the API server both check, each with one message for people. */
import { Schema } from "effect"

export interface Rule<A> {
  /** The same rule in CEL; `self` is the value. https://kubernetes.io/docs/reference/using-api/cel/ */
  readonly cel: string
  readonly message: string
  readonly holds: (value: A) => boolean
}

/** What stands in the CRD below `x-kubernetes-validations`. */
export const celOf = (rules: ReadonlyArray<Rule<never>>): ReadonlyArray<object> =>
  rules.map(({ cel, message }) => ({ rule: cel, message }))

export const filterOf = <A>(rule: Rule<A>) =>
  Schema.makeFilter((value: A) => rule.holds(value) || rule.message)

/** Adds rules to a schema whose encoded and decoded sides are the same. */
export const ruled = <S extends Schema.Top>(
  schema: S,
  ...rules: readonly [Rule<S["Type"]>, ...ReadonlyArray<Rule<S["Type"]>>]
): S => {
  const [first, ...rest] = rules.map(filterOf) as [ReturnType<typeof filterOf<S["Type"]>>]
  const checked = schema.check(first, ...rest)
  return checked.annotate({ "x-kubernetes-validations": celOf(rules) }) as unknown as S
}

/** RE2 in CEL and JavaScript's `u` flag agree on what is used here: no look-around, no `\s`. */
export const matches = (pattern: RegExp, message: string): Rule<string> => ({
  cel: `self.matches(r'${pattern.source}')`,
  message,
  holds: (text) => pattern.test(text),
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

/** Bytes that Git forbids in a reference, and the tricks with a leading dash. */
const REFERENCE: ReadonlyArray<Rule<string>> = [
  matches(
    /^[^-/.\p{Cc}\p{Z}~^:?*\x5B\x5C][^\p{Cc}\p{Z}~^:?*\x5B\x5C]*$/u,
    "must be a Git reference name: no spaces, no control characters, none of ~^:?*[\\, and no leading - / .",
  ),
  {
    cel: "!self.contains('..') && !self.contains('//') && !self.contains('@{') && !self.endsWith('/') && !self.endsWith('.') && !self.endsWith('.lock')",
    message: "must be a Git reference name: no .., // or @{, and it ends in none of / . .lock",
    holds: (text) => !/\.\.|\/\/|@\{|[/.]$|\.lock$/u.test(text),
  },
]

/** A branch or tag by its short name. */
export const ReferenceName = ruled(
  Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(255)),
  ...(REFERENCE as [Rule<string>, Rule<string>]),
)
