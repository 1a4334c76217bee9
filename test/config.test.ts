import { readFileSync } from "node:fs"
import { Redacted, Result } from "effect"
import { assert, describe, it } from "vitest"
import { decodeConfig, FLAG_NAMES, flagName, SETTING_NAMES, SETTINGS } from "../src/config.ts"

const settled = (flags: Record<string, string>, environment: Record<string, string> = {}) => {
  const result = decodeConfig(flags, environment)
  return Result.isSuccess(result)
    ? result.success
    : `${result.failure.code} ${result.failure.subject}: ${result.failure.reason}`
}

describe("configuration", () => {
  it("every default is a valid value of its setting", () => {
    const config = settled({})
    assert.isObject(config)
    assert.deepStrictEqual(Object.keys(config), [...SETTING_NAMES])
  })

  it("a flag goes before the environment, the environment before the default", () => {
    const both = settled({ namespace: "a" }, { NOPEA_NAMESPACE: "b" })
    assert.propertyVal(both, "namespace", "a")
    assert.propertyVal(settled({}, { NOPEA_NAMESPACE: "b" }), "namespace", "b")
    assert.propertyVal(settled({}), "namespace", "nopea-system")
  })

  it("NOPEA_X_Y is --x-y, and KUBECONFIG is --kubeconfig", () => {
    assert.strictEqual(flagName("allowControllerIdentity"), "allow-controller-identity")
    assert.strictEqual(flagName("kubeconfig"), "kubeconfig")
    const flags = SETTING_NAMES.map(flagName)
    assert.strictEqual(new Set(flags).size, flags.length)
  })

  it("durations, sizes, lists and addresses are decoded once", () => {
    const config = settled({
      drainTimeout: "1m30s",
      renderMaxBytes: "5Mi",
      namespaces: "a, b,,c",
      listen: "[::1]:0",
    })
    assert.deepInclude(config, {
      drainTimeout: 90_000,
      renderMaxBytes: 5 * 2 ** 20,
      namespaces: ["a", "b", "c"],
      listen: { host: "::1", port: 0 },
    })
  })

  const wrong: ReadonlyArray<[keyof typeof SETTINGS, string]> = [
    ["listen", "8080"],
    ["listen", "host:http"],
    ["listen", ":65536"],
    ["namespaces", "Team_A"],
    ["allowFileUrls", "yes"],
    ["allowControllerIdentity", "1"],
    ["leaderElection", "on"],
    ["drainTimeout", "20"],
    ["drainTimeout", "0s"],
    ["drainTimeout", "-5s"],
    ["renderTimeout", "soon"],
    ["kustomizeTimeout", "0s"],
    ["renderMaxBytes", "10MB"],
    ["renderMaxBytes", "0"],
    ["mirrorMaxBytes", "1e9"],
    ["gitHostRate", "0"],
    ["gitHostRate", "1.5"],
    ["clusterName", "prod/eu"],
    ["cdeventsMode", "batched"],
    ["otlpEndpoint", "collector:4318"],
    ["logLevel", "verbose"],
    ["logFormat", "yaml"],
  ]
  for (const [name, value] of wrong) {
    it(`${SETTINGS[name].env}=${value} stops the start with one line that names it`, () => {
      const line = settled({}, { [SETTINGS[name].env]: value })
      assert.match(String(line), new RegExp(`^NOPEA-C010 ${SETTINGS[name].env} / --`, "u"))
      assert.include(String(line), JSON.stringify(value))
      assert.notInclude(String(line), "\n")
    })
  }

  it.each([
    ["NOPEA_CDEVENTS_SINKS", "ftp://sink.example/s3cret"],
    ["NOPEA_CDEVENTS_SINKS", "https://user:s3cret@sink.example/"],
    ["NOPEA_CDEVENTS_TOKEN", "s3cret s3cret"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:s3cret@otel.example:4318"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "https://s3cret@otel.example:4318"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "https:user:s3cret@otel.example"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:s3cret/s3@cret@otel.example"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "user:s3cret\n@otel.example"],
    ["NOPEA_LISTEN", "http://user:s3cret@0.0.0.0"],
    ["NOPEA_NAMESPACES", "https://user:s3cret@x"],
  ])("%s=%s is refused, and not repeated", (name, value) => {
    const line = String(settled({}, { [name]: value }))
    assert.include(line, `NOPEA-C010 ${name}`)
    assert.notInclude(line, "s3cret")
  })

  it("the docs make the Secret that the Deployment reads webhook secrets from", () => {
    const page = readFileSync("docs/webhooks.md", "utf8")
    const [, name, key] = /generic (\S+) -n nopea-system --from-literal=(\w+)=/u.exec(page) ?? []
    const yaml = readFileSync("deploy/base/deployment.yaml", "utf8")
    const reference = `NOPEA_WEBHOOK_SECRET\\s+valueFrom:\\s+secretKeyRef:\\s+name: ${name}\\s+key: ${key}\\s`
    assert.match(yaml, new RegExp(reference, "u"))
  })

  it("sinks are a list of URLs, and their token is sealed", () => {
    const config = settled(
      {},
      {
        NOPEA_CDEVENTS_SINKS: "https://a.example/x, http://b.example",
        NOPEA_CDEVENTS_TOKEN: "s3cret",
      },
    )
    if (typeof config === "string") return assert.fail(config)
    assert.deepStrictEqual(
      config.cdeventsSinks.map(({ href }) => href),
      ["https://a.example/x", "http://b.example/"],
    )
    assert.notInclude(`${config.cdeventsToken}`, "s3cret")
  })

  it("a secret has no flag, is a list, and is never repeated", () => {
    assert.notInclude(FLAG_NAMES, "webhookSecret")
    const signing = `whsec_${"A".repeat(43)}=`
    const config = settled({}, { NOPEA_WEBHOOK_SECRET: ` one,two, ${signing}` })
    if (typeof config === "string") return assert.fail(config)
    assert.deepStrictEqual(config.webhookSecret.map(Redacted.value), ["one", "two", signing])
    assert.notInclude(JSON.stringify(config), "two")
    for (const value of ["whsec_", "fine,whsec_not/base64!", Array(17).fill("x").join(",")]) {
      const line = String(settled({}, { NOPEA_WEBHOOK_SECRET: value }))
      assert.match(line, /^NOPEA-C010 NOPEA_WEBHOOK_SECRET: its value is not/u)
      assert.notInclude(line, "base64!")
    }
  })
})
