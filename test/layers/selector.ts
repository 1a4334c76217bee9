// Label and field selectors, as far as the API server's grammar is used here.

import type { ObjectMeta } from "../../src/domain/object.ts"
import type { ListOptions } from "../../src/kube/Kube.ts"

type Labels = Readonly<Record<string, string>>
type Term = (labels: Labels) => boolean

const parseTerm = (text: string): Term => {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(text)
  if (set !== null) {
    const [, key = "", operator, list = ""] = set
    const values = list.split(",").map((value) => value.trim())
    const isIn: Term = (labels) => key in labels && values.includes(labels[key] ?? "")
    return operator === "in" ? isIn : (labels) => !isIn(labels)
  }
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(text)
  if (equality !== null) {
    const [, key = "", operator, value] = equality
    return operator === "!="
      ? (labels) => labels[key] !== value
      : (labels) => key in labels && labels[key] === value
  }
  if (/^![^=\s]+$/.test(text)) return (labels) => !(text.slice(1) in labels)
  if (/^[^=!\s()]+$/.test(text)) return (labels) => text in labels
  throw new Error(`selector not understood: ${text}`)
}

const termsOf = (selector: string | undefined): ReadonlyArray<Term> =>
  (selector ?? "")
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== "")
    .map(parseTerm)

/** Whether a list or watch with these options sees an object. */
export const selects = (options: ListOptions): ((meta: ObjectMeta) => boolean) => {
  const labels = termsOf(options.labelSelector)
  const fields = termsOf(options.fieldSelector)
  return (meta) => {
    const namespace = meta.namespace ?? ""
    return (
      (options.namespace === undefined || options.namespace === namespace) &&
      labels.every((term) => term(meta.labels ?? {})) &&
      fields.every((term) => term({ "metadata.name": meta.name, "metadata.namespace": namespace }))
    )
  }
}
