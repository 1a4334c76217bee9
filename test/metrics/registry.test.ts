import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { FAMILIES, type Family } from "../../src/metrics/families.ts"
import { MAX_SERIES, Registry } from "../../src/metrics/registry.ts"
import { parse, sumOf } from "./parse.ts"

describe("the reader of the tests", () => {
  it.each([
    'a{b="c"} 1',
    "# HELP a x\n# TYPE a counter\na 1",
    "# HELP a x\n# TYPE a counter\nb 1\n",
    "# HELP a x\n# TYPE a counter\na one\n",
    '# HELP a x\n# TYPE a counter\na{b="c} 1\n',
    '# HELP a x\n# TYPE a counter\na{b="1",b="2"} 1\n',
    '# HELP a x\n# TYPE a counter\na{b="1"} 1\na{b="1"} 2\n',
    "# HELP a x\n# TYPE a counter\na 1\n# HELP b x\n# TYPE b counter\n# HELP a x\n",
    "# TYPE a counter\na 1\n",
  ])("refuses %j", (text) => assert.throws(() => parse(text)))
})

describe("every metric", () => {
  const rows = Object.entries(FAMILIES as Readonly<Record<string, Family>>)
  it.each(rows)("%s has the name of its type and unit, and says what it is", (name, family) => {
    const { type, unit, help, labels, buckets } = family
    assert.match(name, /^(nopea|process|nodejs)_[a-z0-9]+(_[a-z0-9]+)*$/u)
    assert.strictEqual(name.endsWith("_total"), type === "counter")
    const stem = name.replace(/_total$/u, "")
    if (unit === "seconds" || unit === "bytes") assert.include(stem.split("_").slice(-2), unit)
    if (unit === "seconds") assert.isTrue(stem.endsWith("_seconds"))
    assert.strictEqual(name.endsWith("_info"), unit === "info")
    assert.strictEqual(buckets !== undefined, type === "histogram")
    assert.match(help, /^[A-Z0-9a-z].*\.$/u)
    assert.isFalse(/[\n\\]/u.test(help))
    for (const label of labels) assert.match(label, /^[a-z]+$/u)
    assert.notInclude(labels as ReadonlyArray<string>, "le")
    assert.deepStrictEqual(
      [...(buckets ?? [])].sort((a, b) => a - b),
      [...(buckets ?? [])],
    )
  })
})

describe("the registry", () => {
  it("prints what it was told, and nothing that it was not told", () => {
    const registry = new Registry()
    assert.strictEqual(registry.text(), "")
    registry.count("nopea_syncs_total", { repository: "shop/web", trigger: "poll", result: "done" })
    registry.count(
      "nopea_syncs_total",
      { repository: "shop/web", trigger: "poll", result: "done" },
      2,
    )
    registry.set("nopea_leader", {}, 1)
    assert.strictEqual(
      registry.text().replace(/^# HELP .*\n/gmu, ""),
      `# TYPE nopea_leader gauge
nopea_leader 1
# TYPE nopea_syncs_total counter
nopea_syncs_total{repository="shop/web",trigger="poll",result="done"} 3
`,
    )
  })

  it("has cumulative buckets, their sum and their count", () => {
    const registry = new Registry()
    for (const seconds of [0.001, 0.005, 0.3, 1000])
      registry.observe("nopea_sync_stage_duration_seconds", { stage: "plan" }, seconds)
    const name = "nopea_sync_stage_duration_seconds"
    const below = (le: string) => sumOf(registry.text(), `${name}_bucket`, { le })
    assert.deepStrictEqual(["0.005", "0.25", "0.5", "180", "+Inf"].map(below), [2, 2, 3, 3, 4])
    assert.strictEqual(sumOf(registry.text(), `${name}_sum`), 1000.306)
    assert.strictEqual(sumOf(registry.text(), `${name}_count`), 4)
  })

  it("prints any label so that it is read as it was", () =>
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'\\"\n{}=, aé💥') }), (version) => {
        const registry = new Registry()
        registry.set("nopea_build_info", { version, node: "n" }, 1)
        const [sample] = parse(registry.text()).get("nopea_build_info")?.samples ?? []
        assert.deepStrictEqual(sample?.labels, { version, node: "n" })
      }),
    ))

  it("forgets the series of a repository, and keeps those of its neighbours", () => {
    const registry = new Registry()
    for (const repository of ["shop/web", "shop/web-2"]) {
      registry.count("nopea_heals_total", { repository })
      registry.set("nopea_repository_ready", { repository }, 1)
    }
    registry.count("nopea_kube_requests_total", { verb: "get", code: "200" })
    registry.forget("shop/web")
    assert.notInclude(registry.text(), '"shop/web"')
    assert.strictEqual(sumOf(registry.text(), "nopea_heals_total", { repository: "shop/web-2" }), 1)
    registry.forgetAll()
    assert.deepStrictEqual([...parse(registry.text()).keys()], ["nopea_kube_requests_total"])
  })

  it("has no more repositories than it may, says so, and takes the next one when one is gone", () => {
    const registry = new Registry(2)
    for (const repository of ["a/a", "a/b", "a/c"])
      registry.count("nopea_heals_total", { repository })
    assert.isUndefined(sumOf(registry.text(), "nopea_heals_total", { repository: "a/c" }))
    assert.strictEqual(sumOf(registry.text(), "nopea_metrics_series_refused_total"), 1)
    registry.forget("a/a")
    registry.count("nopea_heals_total", { repository: "a/c" })
    assert.strictEqual(sumOf(registry.text(), "nopea_heals_total", { repository: "a/c" }), 1)
  })

  it("has a bounded number of series of one metric, whatever labels come", () => {
    const registry = new Registry()
    for (let i = 0; i < 10 * MAX_SERIES; i++)
      registry.count("nopea_kube_requests_total", { verb: `v${i}`, code: "200" })
    const { samples } = parse(registry.text()).get("nopea_kube_requests_total") ?? { samples: [] }
    assert.lengthOf(samples, MAX_SERIES)
  })

  it("asks for what is only known by asking, until it is told to stop", () => {
    const registry = new Registry()
    let depth = 3
    const stop = registry.collect(() => registry.set("nopea_repositories", {}, depth))
    assert.strictEqual(sumOf(registry.text(), "nopea_repositories"), 3)
    depth = 5
    assert.strictEqual(sumOf(registry.text(), "nopea_repositories"), 5)
    stop()
    depth = 7
    assert.strictEqual(sumOf(registry.text(), "nopea_repositories"), 5)
  })
})
