import { posix } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isWithin, resolve, shown } from "../../src/render/reference.ts"
import { MAX_FOLLOWS, MAX_HEIGHT } from "../../src/render/walk.ts"
import { type Modes, survey, type Texts } from "./kustomizing.ts"

const KUSTOMIZATION = "app/kustomization.yaml"
const inline = "|-\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {name: x}\n"

/** What each field of a kustomization makes kustomize read. */
const FIELDS: ReadonlyArray<readonly [field: string, text: string, needs: ReadonlyArray<string>]> =
  [
    [
      "resources, files and folders",
      "resources: [a.yaml, ../base]",
      ["app/a.yaml", "base/b.yaml", "base/kustomization.yml"],
    ],
    ["bases", "bases: [../base]", ["base/b.yaml", "base/kustomization.yml"]],
    ["components", "components: [../base/]", ["base/b.yaml", "base/kustomization.yml"]],
    [
      "crds and configurations",
      "crds: [a.yaml]\nconfigurations: [./a.txt]",
      ["app/a.txt", "app/a.yaml"],
    ],
    ["openapi", "openapi: {path: a.txt}", ["app/a.txt"]],
    [
      "patches",
      "patches: [{path: a.yaml}, {patch: 'x: y'}, {path: '', patch: 'x: y'}]",
      ["app/a.yaml"],
    ],
    ["patchesJson6902", "patchesJson6902: [{path: a.txt, target: {kind: Pod}}]", ["app/a.txt"]],
    ["patchesStrategicMerge", 'patchesStrategicMerge: [a.yaml, "kind: X\\n"]', ["app/a.yaml"]],
    ["replacements", "replacements: [{path: a.txt}, {source: {}, targets: []}]", ["app/a.txt"]],
    [
      "configMapGenerator",
      "configMapGenerator: [{name: x, files: [a.txt, k=a.yaml], literals: [a=b]}]",
      ["app/a.txt", "app/a.yaml"],
    ],
    [
      "secretGenerator",
      "secretGenerator: [{name: x, envs: [a.txt], env: ../base/b.yaml, type: Opaque}]",
      ["app/a.txt", "base/b.yaml"],
    ],
    ["transformers", `transformers:\n- label.yaml\n- ${inline}`, ["app/label.yaml"]],
    [
      "fields that name no file",
      "namePrefix: a-\nnamespace: x\nimages: [{name: a, newTag: b}]\nlabels: null",
      [],
    ],
  ]

const TREE: Texts = {
  "app/a.yaml": "kind: A",
  "app/a.txt": "a=b",
  "app/label.yaml": "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: x}\n",
  "app/exec.yaml":
    "apiVersion: example.com/v1\nkind: Exec\nmetadata: {name: x, annotations: {config.kubernetes.io/function: 'exec: {path: ./x}'}}\n",
  "app/helm.yaml": "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\n",
  "app/reader.yaml":
    "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\nPath: /etc/passwd\n",
  "app/plain/x.yaml": "kind: X",
  "app/link": "/etc",
  "app/link.yaml": "/etc/passwd",
  "app/module": "",
  "app/twice/kustomization.yaml": "resources: []",
  "app/twice/Kustomization": "resources: []",
  "app/linked/kustomization.yaml": "../../etc",
  "app/broken/kustomization.yaml": "resources: [a.yaml\nb: c",
  "base/kustomization.yml": "resources: [b.yaml]",
  "base/b.yaml": "kind: B",
}
const MODES: Modes = {
  "app/link": "symlink",
  "app/link.yaml": "symlink",
  "app/linked/kustomization.yaml": "symlink",
  "app/module": "submodule",
}

const walked = (text: string, more: Texts = {}) =>
  survey({ ...TREE, [KUSTOMIZATION]: text, ...more }, "app", MODES)

/** Everything that somebody may try, and what refuses it before anything runs. */
const ATTACKS: ReadonlyArray<readonly [what: string, text: string, code: string, says: RegExp]> = [
  [
    "an https URL",
    "resources: [https://example.com/x.yaml]",
    "R029",
    /resources: "https:.*is remote/u,
  ],
  ["an http URL, in capitals", "resources: ['HTTP://example.com/x.yaml']", "R029", /is remote/u],
  [
    "a URL with a password",
    "resources: ['https://me:hunter2@example.com/x']",
    "R029",
    /"…@example\.com\/x" is remote/u,
  ],
  [
    "a URL whose query holds a token",
    "resources: ['https://example.com/x?token=hunter2']",
    "R029",
    /x\?…" is remote/u,
  ],
  ["a repository on GitHub", "resources: [github.com/org/repo]", "R029", /is remote/u],
  [
    "a repository on GitHub, with a ref",
    "resources: ['GitHub.com/org/repo?ref=v1']",
    "R029",
    /is remote/u,
  ],
  ["an scp-like address", "resources: ['git@github.com:org/repo']", "R029", /is remote/u],
  [
    "an scp-like address with a slash",
    "bases: [me@example.com/org/repo]",
    "R029",
    /bases: .* is remote/u,
  ],
  [
    "ssh, file and forced git URLs",
    "components: ['ssh://x/y', 'file:///etc', 'git::https://x/y']",
    "R029",
    /components/u,
  ],
  ["a URL as a patch", "patches: [{path: 'https://example.com/p.yaml'}]", "R029", /patches\.path/u],
  [
    "a URL as a strategic patch",
    "patchesStrategicMerge: ['https://example.com/p.yaml']",
    "R029",
    /patchesStrategicMerge/u,
  ],
  [
    "a URL as a file of a ConfigMap",
    "configMapGenerator: [{name: x, files: ['k=https://example.com/f']}]",
    "R029",
    /configMapGenerator\.files/u,
  ],
  [
    "a URL as an env file",
    "secretGenerator: [{name: x, envs: ['http://169.254.169.254/']}]",
    "R029",
    /secretGenerator\.envs/u,
  ],
  [
    "a URL as an OpenAPI schema",
    "openapi: {path: 'https://example.com/s.json'}",
    "R029",
    /openapi\.path/u,
  ],
  [
    "a URL as a replacement",
    "replacements: [{path: 'https://example.com/r'}]",
    "R029",
    /replacements\.path/u,
  ],
  [
    "a URL as a CRD or a configuration",
    "crds: ['https://example.com/c']\nconfigurations: ['https://e.com/c']",
    "R029",
    /crds/u,
  ],
  ["a URL as a generator", "generators: ['https://example.com/g']", "R029", /generators/u],
  [
    "a URL that is also a folder of the repository",
    "resources: ['https://example.com/x.yaml']",
    "R029",
    /is remote/u,
  ],
  ["an absolute path", "resources: [/etc/passwd]", "R030", /absolute/u],
  [
    "a path that leaves the repository",
    "resources: [../../etc/passwd]",
    "R030",
    /leaves the repository/u,
  ],
  [
    "a file of a ConfigMap outside",
    "configMapGenerator: [{name: x, files: ['k=../../../proc/self/environ']}]",
    "R030",
    /configMapGenerator\.files: .*leaves/u,
  ],
  ["an OpenAPI schema outside", "openapi: {path: ../../x.json}", "R030", /openapi\.path/u],
  [
    "a path that leaves and comes back",
    "resources: [../../repository/app/a.yaml]",
    "R030",
    /leaves/u,
  ],
  ["a symbolic link as a file", "resources: [link.yaml]", "R031", /symbolic link/u],
  [
    "a path through a symbolic link",
    "configMapGenerator: [{name: x, files: [link/passwd]}]",
    "R031",
    /symbolic link/u,
  ],
  ["a kustomization that is a symbolic link", "resources: [linked]", "R031", /symbolic link/u],
  ["a path into a submodule", "resources: [module/x]", "R031", /submodule/u],
  ["a file that is not there", "resources: [nowhere.yaml]", "R031", /not in the repository/u],
  ["a folder without a kustomization", "resources: [plain]", "R031", /without a kustomization/u],
  ["a folder where a file belongs", "patches: [{path: plain}]", "R031", /a file is needed/u],
  ["a file where a folder belongs", "components: [a.yaml]", "R031", /a folder .* is needed/u],
  [
    "Helm charts",
    "helmCharts: [{name: x, repo: 'https://example.com'}]",
    "R032",
    /helmCharts: charts are not rendered/u,
  ],
  ["Helm's globals", "helmGlobals: {chartHome: /x}", "R032", /helmGlobals/u],
  ["Helm's older generator", "helmChartInflationGenerator: [{chartName: x}]", "R032", /helmChart/u],
  ["Helm as a builtin generator", "generators: [helm.yaml]", "R032", /not run here/u],
  [
    "an exec function",
    "transformers: [exec.yaml]",
    "R032",
    /programs, containers and Go plugins are not run/u,
  ],
  [
    "an exec function as a validator, inline",
    "validators:\n- |-\n  apiVersion: x/v1\n  kind: Y\n  metadata: {name: z}\n",
    "R032",
    /validators/u,
  ],
  [
    "a builtin transformer that reads a file",
    "transformers: [reader.yaml]",
    "R032",
    /reads a file/u,
  ],
  [
    "an inline transformer that may be a path",
    'transformers: ["{apiVersion: builtin, kind: LabelTransformer, metadata: {name: a},\\n x: ../../../etc/passwd}"]',
    "R032",
    /may be taken for a path/u,
  ],
  [
    "fields in other letters, which kustomize takes",
    "Resources: ['https://example.com']",
    "R028",
    /Resources is not a field/u,
  ],
  [
    "entries in other letters, which kustomize takes",
    "configMapGenerator: [{name: x, FILES: [/etc/passwd]}]",
    "R028",
    /unknown field "FILES"/u,
  ],
  ["a field that is not known", "loader: {x: y}", "R028", /loader is not a field/u],
  [
    "a key written twice",
    "resources: [a.yaml]\nresources: ['https://example.com']",
    "R011",
    /written twice/u,
  ],
  [
    "a second document",
    "resources: [a.yaml]\n---\nresources: ['https://example.com']",
    "R028",
    /2 documents/u,
  ],
  ["lists that are none", "resources: a.yaml", "R028", /is not a list/u],
  ["paths that are none", "resources: [1, {a: b}]", "R028", /is not text/u],
  [
    "control characters and backslashes",
    'resources: ["a\\u0000b", "..\\\\x"]',
    "R028",
    /is no path/u,
  ],
  ["two kustomizations in one folder", "resources: [twice]", "R028", /one folder has/u],
  ["a kustomization that is no YAML", "resources: [broken]", "R009", /not valid YAML/u],
  ["itself", "resources: [.]", "R033", /leads back to itself/u],
  ["its parent", "resources: [..]", "R033", /leads back to itself/u],
  [
    "a bomb of aliases",
    `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefghij"
      .split("")
      .map((c, i) => `${c}: &${c} [${`*${"abcdefghij"[i]},`.repeat(9)}]`)
      .join("\n")}`,
    "R013",
    /aliases expand/u,
  ],
]

describe("the walk through kustomizations", () => {
  it.each(FIELDS)("%s", (_, text, needs) => {
    const { failures, needed } = walked(text)
    expect(failures).toEqual([])
    expect([...needed.keys()].toSorted()).toEqual([...needs, KUSTOMIZATION].toSorted())
  })

  it.each(ATTACKS)("refuses %s", (_, text, code, says) => {
    const more = { "https:/example.com/x.yaml": "kind: X", "kustomization.yaml": "resources: []" }
    const { failures } = walked(text, more)
    expect(failures[0]?.code).toBe(`NOPEA-${code}`)
    expect(failures[0]?.reason).toMatch(says)
    expect(failures[0]?.file).toMatch(/^app\//u)
    expect(JSON.stringify(failures)).not.toContain("hunter2")
  })

  it("names file and line, and everything at once", () => {
    const { failures } = walked("resources:\n- ../over\npatches:\n- path: no.yaml\n", {
      "over/kustomization.yaml": "namePrefix: x\nresources: [/abs, 'https://x/y']",
    })
    expect(failures.map(({ code, file, line }) => [code, file, line])).toEqual([
      ["NOPEA-R030", "over/kustomization.yaml", 2],
      ["NOPEA-R029", "over/kustomization.yaml", 2],
      ["NOPEA-R031", KUSTOMIZATION, 4],
    ])
  })

  it("writes patches so that nothing is tried as a text first and as a path then", () => {
    const text = 'patchesStrategicMerge: [a.yaml, "kind: X\\n"]\npatches: [{patch: z}]'
    expect(JSON.parse(walked(text).needed.get(KUSTOMIZATION)?.text ?? "")).toEqual({
      patches: [{ path: "a.yaml" }, { patch: "kind: X\n" }, { patch: "z" }],
    })
  })

  const one = "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: x}\n"
  const exec = "apiVersion: x/v1\nkind: Kustomization\nmetadata: {name: z}\nresources: []\n"
  it.each([
    [
      "a kustomization, then a plugin",
      "resources: [sub]\ntransformers: [sub/kustomization.yaml]",
      exec,
    ],
    [
      "a plugin, then a kustomization",
      "generators: [sub/kustomization.yaml]\nresources: [sub]",
      exec,
    ],
    ["a plain file, then a plugin", "crds: [label.yaml]\ntransformers: [label.yaml]", one],
    [
      "a plugin, then a plain file",
      "transformers: [label.yaml]\nvalidators: []\ncrds: [label.yaml]",
      one,
    ],
    [
      "a kustomization, then a plain file",
      "resources: [sub]\ncrds: [sub/kustomization.yaml]",
      exec,
    ],
    [
      "a plain file, then a kustomization",
      "crds: [sub/kustomization.yaml]\nresources: [sub]",
      exec,
    ],
  ])("refuses one file as %s", (_, text, sub) => {
    const { failures } = walked(text, { "app/sub/kustomization.yaml": sub })
    expect(failures.map(({ code }) => code)).toContain("NOPEA-R028")
    expect(failures.at(-1)?.reason).toMatch(/^it is named as a .* and as a /u)
  })

  it("knows what a Secret is made of, and whether files lie outside their kustomization", () => {
    const secret = walked("secretGenerator: [{name: x, files: [a.txt]}]")
    expect(secret.needed.get("app/a.txt")?.isSecret).toBe(true)
    expect(secret.sharesFiles).toBe(false)
    expect(walked("resources: [../base/b.yaml]").sharesFiles).toBe(true)
    expect(walked("resources: [../base]").sharesFiles).toBe(false)
  })

  const chain = (length: number): Texts =>
    Object.fromEntries(
      Array.from({ length }, (_, at) => [
        at === 0 ? KUSTOMIZATION : `b${at}/kustomization.yaml`,
        at === length - 1 ? "resources: []" : `resources: [../b${at + 1}]`,
      ]),
    )

  it(`goes ${MAX_HEIGHT} deep and no deeper`, () => {
    expect(survey(chain(MAX_HEIGHT)).failures).toEqual([])
    expect(survey(chain(MAX_HEIGHT + 1)).failures).toMatchObject([{ code: "NOPEA-R033" }])
    expect(survey(chain(2000)).failures).toMatchObject([{ code: "NOPEA-R033" }])
  })

  it("finds a circle of two, wherever it begins", () => {
    const texts = {
      [KUSTOMIZATION]: "resources: [../a]",
      "a/kustomization.yaml": "resources: [../b]",
      "b/kustomization.yaml": "resources: [../a]",
    }
    expect(survey(texts).failures).toMatchObject([
      { code: "NOPEA-R033", file: "b/kustomization.yaml" },
    ])
  })

  it("refuses a small tree that makes kustomize load without end", () => {
    const layers = Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [
        at === 0 ? KUSTOMIZATION : `b${at}/kustomization.yaml`,
        at === 19 ? "namePrefix: x" : `resources: [../b${at + 1}, ../b${at + 1}]`,
      ]),
    )
    expect(survey(layers).failures).toMatchObject([
      { code: "NOPEA-R033", reason: "it makes kustomize load more than 5000 kustomizations" },
    ])
  })

  const sharing = (folders: number, shared: string): Texts => ({
    "x.yaml": "kind: X",
    [KUSTOMIZATION]: `resources: [${Array.from({ length: folders }, (_, at) => `../b${at}`)}]`,
    ...Object.fromEntries(
      Array.from({ length: folders }, (_, at) => [`b${at}/kustomization.yaml`, shared]),
    ),
  })

  it("stops where many folders share a kustomization that names much, and asks for no more", () => {
    const shared = `resources: [${"../x.yaml,".repeat(4_000)} b.yaml, later]`
    const most = Math.floor(MAX_FOLLOWS / 4_000)
    const { failures, unread } = survey(sharing(most + 5, shared))
    expect(failures.at(-1)).toMatchObject({
      code: "NOPEA-R033",
      reason: `it names more than ${MAX_FOLLOWS} paths`,
      file: KUSTOMIZATION,
    })
    expect(failures.filter(({ code }) => code === "NOPEA-R033")).toHaveLength(1)
    expect(unread).toEqual([])
    const few = `resources: [${"../x.yaml,".repeat(3_000)}]`
    expect(survey(sharing(most, few)).failures).toEqual([])
  })

  it("takes no path for one that no system opens", () => {
    const text = `resources: [${"a/".repeat(40_000)}]`
    expect(walked(text).failures).toMatchObject([{ code: "NOPEA-R028" }])
  })

  it("refuses more paths than anybody writes", () => {
    const patches = "- {path: a.yaml}\n".repeat(10_001)
    expect(walked(`patches:\n${patches}`).failures).toMatchObject([{ code: "NOPEA-R033" }])
  })
})

const segment = fc.constantFrom("..", ".", "", "a", "b", "c.yaml", "ü", "-x")
const path = fc.array(segment, { maxLength: 8 }).map((parts) => parts.join("/"))

describe("laws of paths", () => {
  it("what is resolved lies in the repository, where the operating system would find it", () => {
    fc.assert(
      fc.property(path, path, (from, to) => {
        const folder = resolve("", from)
        if ("fault" in folder) return
        const target = resolve(folder.path, to)
        const real = posix.join("/top", folder.path, to).replace(/(?<=.)\/$/u, "")
        if (to === "") expect(target).toEqual({ fault: "unclear" })
        else if (to.startsWith("/")) expect(target).toEqual({ fault: "absolute" })
        else if ("path" in target) expect(isWithin(real, "/top")).toBe(true)
        if ("path" in target) expect(posix.join("/top", target.path)).toBe(real)
      }),
    )
  })

  it("nothing that kustomize takes for a URL or a repository is resolved", () => {
    const scheme = fc.constantFrom(
      "http:",
      "https:",
      "HTTPS://",
      "ssh://",
      "file://",
      "git::",
      "github.com/",
      "GitHub.com:",
      "me@",
      "a-1@",
    )
    fc.assert(
      fc.property(scheme, fc.string(), (prefix, rest) => {
        expect(resolve("app", prefix + rest)).toEqual({ fault: "remote" })
      }),
    )
  })

  it("a message shows no credentials and stays short", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ maxLength: 400 }), (user, rest) => {
        expect(shown(`https://${user}:hunter2@${rest}`)).not.toContain("hunter2")
        expect(shown(`https://x/?t=hunter2${rest}`).length).toBeLessThanOrEqual(150)
      }),
    )
  })
})

describe("warnings of the walk", () => {
  const many = (count: number) => {
    const names = Array.from({ length: count }, (_, at) => `o${at}`)
    const files: Record<string, string> = { [KUSTOMIZATION]: `resources: [${names.join(", ")}]` }
    for (const name of names) {
      files[`app/${name}/kustomization.yaml`] = "commonAnnotations:\n  on: a\n  off: b\n"
    }
    return survey(files).warnings
  }

  it("are all told where they are few, and counted where they are many", () => {
    expect(many(50)).toHaveLength(100)
    const [first, ...rest] = many(300)
    expect(first).toMatchObject({ file: "app/o0/kustomization.yaml", line: 2 })
    expect(rest).toHaveLength(100)
    expect(rest.at(-1)).toEqual({
      file: KUSTOMIZATION,
      line: 1,
      text: "500 more warnings are not shown",
    })
  })
})

describe("laws of the walk", () => {
  const folder = fc.constantFrom("app", "a", "b", "c", "d", "a/x")
  const reference = fc.oneof(
    folder.map((each) => `../${each}`),
    folder,
    fc.constantFrom("x.yaml", "../a/x.yaml", "..", "."),
  )
  const tree = fc.dictionary(folder, fc.array(reference, { maxLength: 4 }))

  it("ends, needs only files that are there, and what it accepts has no circle", () => {
    fc.assert(
      fc.property(tree, (folders) => {
        const files: Record<string, string> = { "a/x.yaml": "kind: X", "app/x.yaml": "kind: X" }
        const all = { app: [], ...folders }
        for (const [at, names] of Object.entries(all)) {
          files[`${at}/kustomization.yaml`] = JSON.stringify({ resources: names })
        }
        const { needed, failures } = survey(files)
        for (const each of needed.keys()) expect(Object.keys(files)).toContain(each)
        if (failures.length > 0) return
        const load = (at: string, left: number): number =>
          left < 0
            ? 0
            : 1 +
              (all[at as keyof typeof all] ?? []).reduce((sum: number, to: string) => {
                const target = posix.normalize(posix.join(at, to)).replace(/\/$/u, "")
                return target in all ? sum + load(target, left - 1) : sum
              }, 0)
        expect(load("app", 12)).toBe(load("app", 13))
      }),
    )
  })
})
