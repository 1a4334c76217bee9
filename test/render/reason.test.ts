import { describe, expect, it } from "vitest"
import { embedded, MOST_SAID, reasonOf, secretWords, warningsIn } from "../../src/render/reason.ts"

const FOLDER = "/data/kustomize/build-aB3"
const none: ReadonlySet<string> = new Set()

describe("what kustomize says", () => {
  it("is shown without the folder that it ran in", () => {
    const said = `Error: accumulating resources from '${FOLDER}/base/x.yaml': '${FOLDER}' must be a file\n`
    expect(reasonOf(said, FOLDER, none)).toBe(
      "accumulating resources from 'base/x.yaml': '.' must be a file",
    )
  })

  it("keeps its beginning and its end where it is long", () => {
    const said = `begin ${"x ".repeat(5_000)}end`
    const reason = reasonOf(said, FOLDER, none)
    expect(reason).toMatch(/^begin .* … .* end$/u)
    expect(reason.length).toBeLessThan(610)
  })

  it("hides the words of Secrets, however they are quoted, and the values that YAML quotes", () => {
    const secrets = secretWords([
      {
        text: "kind: Secret\nmetadata:\n  name: api\nstringData:\n  password: hunter2 and3more\n",
        isSecret: false,
      },
      { text: "TOKEN=sesame-open\n", isSecret: true },
      { text: "kind: ConfigMap\ndata: {colour: green}", isSecret: false },
    ])
    const said = 'api: {"password":"hunter2"} [and3more] sesame-open green !!str `sesa...` into'
    expect(reasonOf(said, FOLDER, secrets)).toBe('api: {"password":"…"} […] … green !!str `…` into')
  })

  it("finds the literals and patches inside a kustomization", () => {
    const text = JSON.stringify({
      secretGenerator: [{ name: "x", literals: ["user=admin1", "key=hunter2"] }],
      patches: [{ patch: "kind: Secret\ndata:\n  a: Zm9vYmFy\n" }, { path: "p.yaml" }],
    })
    expect([...(secretWords(embedded(text)) ?? [])].toSorted()).toEqual([
      "Zm9vYmFy",
      "admin1",
      "hunter2",
    ])
  })

  it.each([
    [
      'must specify a target for JSON patch [patch: "- op: add\\n  value: \\"hunter2\\" ]\\n"]',
      "must specify a target for JSON patch [patch: …]",
    ],
    [
      'unable to parse SM or JSON patch from [patch: "a: [hunter2\\n"] : yaml: line 1',
      "unable to parse SM or JSON patch from [patch: …] : yaml: line 1",
    ],
    [
      "patch and path can't be set at the same time\npatch: hunter2\npath: x.yaml\n",
      "patch and path can't be set at the same time",
    ],
    [
      "must specify one of patch and path in options:\n  hunter2: true\n",
      "must specify one of patch and path in",
    ],
  ])("quotes no patch: %s", (said, shows) => {
    expect(reasonOf(`Error: ${said}`, FOLDER, none)).toBe(shows)
  })

  it("is not shown where its beginning, which may open a quoted patch, is lost", () => {
    const said = `Error: bad [patch: "${"hunter2 ".repeat(10_000)}"]`.slice(-MOST_SAID)
    expect(reasonOf(said, FOLDER, none)).toBe("its reason is too long to be shown")
  })

  it("is not shown where there are more words to hide than can be kept", () => {
    const words = (count: number) => Array.from({ length: count }, (_, at) => `word${at}`).join(" ")
    const known = secretWords([{ text: words(100_000), isSecret: true }])
    expect(reasonOf("bad word99999", FOLDER, known)).toBe("bad …")
    const unknown = secretWords([{ text: words(100_001), isSecret: true }])
    expect(unknown).toBeUndefined()
    expect(reasonOf("bad word100000", FOLDER, unknown)).toBe(
      "its reason may quote a Secret, and is not shown",
    )
  })

  it("has its advice apart, each once", () => {
    const said = "# Warning: 'bases' is deprecated.\n# Warning: 'bases' is deprecated.\nError: no\n"
    expect(warningsIn(said)).toEqual(["'bases' is deprecated."])
    expect(reasonOf(said, FOLDER, none)).toBe("no")
    expect(reasonOf("", FOLDER, none)).toBe("it gave no reason")
  })
})
