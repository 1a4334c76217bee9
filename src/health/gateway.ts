/** The Gateway API: what every parent, listener and ancestor says of an object. https://gateway-api.sigs.k8s.io */
import {
  at,
  type Condition,
  conditionsIn,
  conditionsOf,
  count,
  degraded,
  fails,
  find,
  firstOf,
  generation,
  HEALTHY,
  type Health,
  holds,
  list,
  progressing,
  said,
  text,
} from "./facts.ts"

type Rule = (object: unknown) => Health

export const GATEWAY_GROUP = "gateway.networking.k8s.io"

interface Spoken {
  readonly conditions: ReadonlyArray<Condition>
  /** Who says it: before the reason. */
  readonly by: string
}

/** A refusal lasts until somebody changes something; `Pending` does not. */
const asked = ({ conditions, by }: Spoken, type: string, isNeeded: boolean): Health => {
  const condition = find(conditions, type)
  if (condition === undefined)
    return isNeeded ? progressing(`${by}nobody has said ${type} yet`) : HEALTHY
  if (holds(condition)) return HEALTHY
  const isFinal = fails(condition) && condition.reason !== "Pending" && type !== "Programmed"
  return (isFinal ? degraded : progressing)(`${by}${said(condition)}`)
}

const ownWords = (object: unknown): Spoken => ({ conditions: conditionsOf(object), by: "" })

export const gatewayClass: Rule = (object) => asked(ownWords(object), "Accepted", true)

const listener = (row: unknown, now: number | undefined): Health => {
  const conditions = conditionsIn(at(row, "conditions"), now)
  const by = `listener ${text(at(row, "name"))}: `
  const conflict = find(conditions, "Conflicted")
  return firstOf(
    conflict !== undefined && holds(conflict) ? degraded(`${by}${said(conflict)}`) : undefined,
    ...["Accepted", "ResolvedRefs", "Programmed"].map((type) =>
      asked({ conditions, by }, type, false),
    ),
  )
}

export const gateway: Rule = (object) =>
  firstOf(
    asked(ownWords(object), "Accepted", true),
    ...list(at(object, "status", "listeners")).map((row) => listener(row, generation(object))),
    asked(ownWords(object), "Programmed", true),
  )

/** Two references are the same parent if all of this is, with what the API defaults. */
const parentKey = (ref: unknown, namespace: string): string =>
  [
    text(at(ref, "group")) || GATEWAY_GROUP,
    text(at(ref, "kind")) || "Gateway",
    text(at(ref, "namespace")) || namespace,
    text(at(ref, "name")),
    text(at(ref, "sectionName")),
    count(at(ref, "port")),
  ].join("/")

/** `Gateway shop/public`. */
const parentName = (ref: unknown, namespace: string): string =>
  `${text(at(ref, "kind")) || "Gateway"} ${text(at(ref, "namespace")) || namespace}/${text(at(ref, "name"))}`

/** Several controllers may answer for one parent; each has to be content. */
export const route: Rule = (object) => {
  const namespace = text(at(object, "metadata", "namespace"))
  const answers = list(at(object, "status", "parents"))
  const keyOf = (answer: unknown) => parentKey(at(answer, "parentRef"), namespace)
  const wanted = list(at(object, "spec", "parentRefs")).flatMap((ref) => {
    const key = parentKey(ref, namespace)
    const by = `${parentName(ref, namespace)}: `
    const own = answers.filter((answer) => keyOf(answer) === key)
    if (own.length === 0) return [progressing(`${by}it has not answered yet`)]
    return own.flatMap((answer) => {
      const conditions = conditionsIn(at(answer, "conditions"), generation(object))
      return [
        asked({ conditions, by }, "Accepted", true),
        asked({ conditions, by }, "ResolvedRefs", false),
      ]
    })
  })
  return firstOf(
    wanted.find(({ state }) => state === "degraded"),
    ...wanted,
  )
}

/** Policies that are attached to something: `status.ancestors`. */
export const policy: Rule = (object) =>
  firstOf(
    ...list(at(object, "status", "ancestors")).map((answer) => {
      const namespace = text(at(object, "metadata", "namespace"))
      const by = `${parentName(at(answer, "ancestorRef"), namespace)}: `
      const conditions = conditionsIn(at(answer, "conditions"), generation(object))
      return firstOf(
        asked({ conditions, by }, "Accepted", false),
        asked({ conditions, by }, "ResolvedRefs", false),
      )
    }),
  )
