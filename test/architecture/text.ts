// What no file of the repository may say, whatever its kind.

export interface TextRule {
  readonly name: string
  readonly offences: (path: string, text: string) => ReadonlyArray<string>
  readonly bad: ReadonlyArray<string>
  readonly good: ReadonlyArray<string>
}

const lineOf = (text: string, index: number): number => text.slice(0, index).split("\n").length

const matches =
  (pattern: RegExp) =>
  (path: string, text: string): ReadonlyArray<string> =>
    [...text.matchAll(pattern)].map((m) => `${path}:${lineOf(text, m.index)}: ${m[0].trim()}`)

// Written in pieces, so that this file keeps its own rules.
const slash = "/"
const machines = ["work/", "root/", "Users/", "home/[a-z]", "tmp/nopea"]
  .map((f) => slash + f)
  .join("|")
const hosts = ["registry\\.npmjs", "proxy\\.golang", "files\\.pythonhosted", "deb\\.debian"].join(
  "|",
)

/** The hosts that this machine installs from: npm tells its scripts, go has a variable. */
export const installHosts = (
  env: Readonly<Record<string, string | undefined>>,
): ReadonlyArray<string> =>
  [env["npm_config_registry"], ...(env["GOPROXY"] ?? "").split(/[,|]/)].flatMap((url) => {
    const host = URL.canParse(url ?? "") ? new URL(url ?? "").host : ""
    return /^(localhost|127\.[0-9.]+)?$/.test(host) ? [] : [host]
  })

export const textRules = (
  env: Readonly<Record<string, string | undefined>>,
): ReadonlyArray<TextRule> => [
  {
    name: "no file names a folder of somebody's machine",
    offences: matches(new RegExp(`(?<![\\w.\\-/}])(${machines})[^\\s"'\`)]*`, "g")),
    bad: ["cd *work/main", '"*root/.kube"', "see *home/a/x", "(*tmp/nopea)"].map((text) =>
      text.replace("*", slash),
    ),
    good: ["https://example.com/work/x", "src/worker/x", "./work/x", "a /workspace", "~/.cache"],
  },
  {
    name: "no file names the host that packages came from",
    offences: (path, text) => [
      ...matches(new RegExp(`\\b(${hosts})\\.\\w+`, "g"))(path, text),
      ...installHosts(env)
        .filter((host) => text.includes(host))
        .map((host) => `${path}: ${host}`),
    ],
    bad: ["https://registry.*npmjs.org/x", "GOPROXY=https://proxy.*golang.org"].map((text) =>
      text.replace("*", ""),
    ),
    good: ["https://registry.example.com/team/app:1"],
  },
  {
    name: "no test is singled out",
    offences: (path, text) =>
      path.startsWith("test/") ? matches(/\b(it|test|describe)\.only\(/g)(path, text) : [],
    bad: ['it.*only("x", () => {})'.replace("*", "")],
    good: ['it("x", () => {})'],
  },
]
