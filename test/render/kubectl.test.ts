import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { canonical, type Json } from "../../src/domain/object.ts"
import { readDocuments } from "../../src/render/yaml.ts"

interface Entry {
  readonly yaml: string
  readonly json?: string
  readonly error?: boolean
}

const path = new URL("fixtures/kubectl.json", import.meta.url)
const entries = JSON.parse(readFileSync(path, "utf8")) as ReadonlyArray<Entry>

/** The first document's value; `undefined`: refused. */
const value = (yaml: string, format: "yaml" | "json" = "yaml"): Json | undefined => {
  const [first] = readDocuments(yaml, format)
  if (first === undefined) return null
  return "code" in first ? undefined : first.value
}

/** Beyond 64 bits kubectl rounds to a float; the digits stay here. */
const rounded = (json: Json | undefined): string | undefined =>
  json === undefined
    ? undefined
    : canonical(json).replace(/-?[0-9]{19,}/gu, (digits) =>
        BigInt(digits) >= 2n ** 64n || BigInt(digits) < -(2n ** 63n)
          ? canonical(Number(digits))
          : digits,
      )

/** Refused here although kubectl takes them, each for a reason. */
const stricter = new Map([
  [" a: 1\nb: 2\n", "kubectl silently loses b"],
  ["a: 1\n...\nb: 2\n", "kubectl silently loses b"],
])
/** Taken here although kubectl refuses them; all of them mean what they look like. */
const laxer = new Set<string>([
  'v: "\\/"\n',
  "v: !!float 18446744073709551615\n",
  "v: !!timestamp x\n",
  "a: |\n  \tx\n",
  '{"a"\n:1}',
  "a: &a-b.c/d 1\nb: *a-b.c/d\n",
  'a: "\\ud83d\\ude00"\n',
])
/** The two mean different things. Nobody writes these. */
const different = new Set(["v: {a:,b:}\n", "-0.0: 1\n"])

describe("YAML means what kubectl takes it to mean", () => {
  it.each(entries.map((entry) => [entry.yaml, entry] as const))("%j", (yaml, entry) => {
    const ours = rounded(value(yaml))
    if (stricter.has(yaml)) return expect(ours).toBeUndefined()
    if (laxer.has(yaml)) {
      expect(entry.error).toBe(true)
      return expect(ours).toBeDefined()
    }
    const theirs = entry.json === undefined ? undefined : rounded(value(entry.json, "json"))
    if (different.has(yaml)) return expect(ours).not.toBe(theirs)
    return expect(ours).toBe(theirs)
  })
})
