import { readFileSync } from "node:fs"
import { join } from "node:path"
import { load } from "js-yaml"
import { assert, describe, it } from "vitest"
import { FAMILIES, type Family } from "../../src/metrics/families.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")
const families: Readonly<Record<string, Family>> = FAMILIES

/** Given by Prometheus, not by us. */
const FOREIGN = new Set(["le", "instance", "job", "pod"])
const FUNCTIONS = new Set(
  "sum count rate increase histogram_quantile absent time vector by on and or label_values".split(
    " ",
  ),
)

const familyOf = (name: string): Family | undefined => {
  const stem = name.replace(/_(bucket|sum|count)$/u, "")
  return families[name] ?? (families[stem]?.type === "histogram" ? families[stem] : undefined)
}

/** What is wrong with an expression: names and labels that do not exist, brackets, rates of gauges. */
const problems = (expr: string): ReadonlyArray<string> => {
  const bare = expr.replace(/"[^"]*"/gu, '""').replace(/\$__rate_interval|\$repository/gu, "5m")
  const names = bare.match(/\b[a-z][a-z_0-9]*\b(?![a-z"=!~])/giu) ?? []
  const metrics = names.filter((name) => /^(nopea|process|nodejs)_/u.test(name))
  const known = new Set([
    "repository",
    ...FOREIGN,
    ...metrics.flatMap((m) => familyOf(m)?.labels ?? []),
  ])
  const others = names.filter((n) => !metrics.includes(n) && !FUNCTIONS.has(n) && !/^\d/u.test(n))
  const rated = [...bare.matchAll(/(rate|increase)\(([a-z_0-9]+)/gu)].map(([, , name = ""]) => name)
  const matched = [...bare.matchAll(/([a-z_]+)(?:=~|!~|!=|=)""/gu)].map(([, name = ""]) => name)
  const depth = [...bare].reduce(
    (sum, sign) => sum + Number("({[".includes(sign)) - Number(")}]".includes(sign)),
    0,
  )
  return [
    ...(metrics.length === 0 ? ["no metric"] : []),
    ...metrics.filter((name) => familyOf(name) === undefined).map((name) => `no metric ${name}`),
    ...[...others, ...matched].filter((name) => !known.has(name)).map((name) => `unknown ${name}`),
    ...rated.filter((name) => familyOf(name)?.type === "gauge").map((name) => `rate of ${name}`),
    ...(depth === 0 ? [] : ["brackets"]),
  ]
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: Readonly<Record<string, string>>
}
const alerts = load(read("deploy/monitoring/alerts.yaml")) as {
  readonly spec: { readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }> }
}
const rules = alerts.spec.groups.flatMap((group) => group.rules)

interface Panel {
  readonly title: string
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
}
const dashboard = JSON.parse(read("deploy/monitoring/dashboard.json")) as {
  readonly panels: ReadonlyArray<Panel>
}
const targets = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => [title, expr, legendFormat] as const),
)

describe("an expression", () => {
  it.each([
    ["sum(nopea_novel)", "no metric nopea_novel"],
    ["nopea_leader_bucket", "no metric nopea_leader_bucket"],
    ["sum by (colour) (nopea_leader)", "unknown colour"],
    ['nopea_syncs_total{verb="get"}', "unknown verb"],
    ["rate(nopea_leader[5m])", "rate of nopea_leader"],
    ["sum(nopea_leader", "brackets"],
    ["time()", "no metric"],
  ])("%s has a problem: %s", (expr, problem) => assert.include(problems(expr), problem))
})

describe("alerts and dashboard stand on metrics that exist", () => {
  it.each(rules.map((rule) => [rule.alert, rule] as const))("alert %s", (_, rule) => {
    assert.deepStrictEqual(problems(rule.expr), [])
    assert.match(rule.annotations["summary"] ?? "", /\S/u)
    assert.match(rule.annotations["description"] ?? "", /\.$/u)
  })
  it.each(targets)("panel %s: %s", (_, expr, legend) => {
    assert.deepStrictEqual(problems(expr), [])
    const names = expr.match(/\b(?:nopea|process|nodejs)_\w+/gu) ?? []
    const labels = new Set([...FOREIGN, ...names.flatMap((name) => familyOf(name)?.labels ?? [])])
    for (const [, label = ""] of legend.matchAll(/\{\{(\w+)\}\}/gu))
      assert.isTrue(labels.has(label), label)
  })
  it("every metric is explained in docs/metrics.md, and no other", () => {
    const rows = [
      ...read("docs/metrics.md").matchAll(
        /^\| `((?:nopea|process|nodejs)_\w+)` \| (\w+) \| ([^|]*) \|/gmu,
      ),
    ]
    const told = rows.map(([, name, type, labels = ""]) => [
      name,
      type,
      [...labels.matchAll(/`(\w+)`/gu)].map(([, label]) => label),
    ])
    const wanted = Object.entries(families).map(([name, { type, labels }]) => [
      name,
      type,
      [...labels],
    ])
    assert.deepStrictEqual(told, wanted)
  })
})
