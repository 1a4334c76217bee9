// One run with every kind of credential and Secret, each a marker; afterwards everything that leaves the
// controller is searched for them. Git's credentials travel in the environment of the git processes that
// speak to the server, and nowhere else: a descriptor would be as open to the same user by /proc, and git's
// helpers for bearer tokens are younger than the oldest git that is supported.
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs"
import { readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { afterAll, assert, describe, it } from "vitest"
import { eventually, type Json, type KubeObject, type ObjectKey } from "../cluster/Api.ts"
import { cluster } from "../cluster/connect.ts"
import { slow, stall } from "../gitserver/failures.ts"
import type { Files } from "../gitserver/fastImport.ts"
import {
  configMap,
  explainFailure,
  gitRepository,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

/** Every marker begins alike, so that one search finds all of them; some are numbers, for YAML's sake. */
const PREFIX = `mark${randomBytes(4).toString("hex")}`
const NUMBER = `7${Date.now()}${process.pid}`
const marker = (name: string): string => `${PREFIX}-${name}`
const base64 = (text: string): string => Buffer.from(text).toString("base64")

const PASSWORD = marker("password")
const BEARER = marker("bearer")

/** What may never be seen: as it is, in base64 at each of the three offsets, and in a Basic header. */
const forbidden = (): ReadonlyArray<string> => [
  PREFIX,
  NUMBER,
  ...[0, 1, 2].map((shift) =>
    base64(`${"x".repeat(shift)}${PREFIX}`).slice(shift === 0 ? 0 : 4, -4),
  ),
  cluster().tokens.admin,
]

const found = (text: string): ReadonlyArray<string> =>
  forbidden().filter((one) => text.includes(one))

const assertClean = (what: string, text: string): void =>
  assert.deepEqual(found(text), [], `${what}: ${text.slice(0, 300)}`)

/** A `git` before the real one: notes what each process is given. */
const shim = mkdtempSync(join(tmpdir(), "nopea-shim-"))
const notes = join(shim, "notes")
mkdirSync(notes)
writeFileSync(
  join(shim, "git"),
  `#!/bin/sh
cat /proc/$$/environ > "${notes}/$$.$(date +%s%N).environ"
printf '%s\\0' "$@" > "${notes}/$$.$(date +%s%N).argv"
PATH="\${PATH#*:}" exec git "$@"
`,
)
chmodSync(join(shim, "git"), 0o755)
afterAll(() => rm(shim, { recursive: true, force: true }))

const here = world({
  git: { users: { robot: PASSWORD }, tokens: [BEARER], tls: true },
  env: { NOPEA_LOG_LEVEL: "trace", PATH: `${shim}:${process.env["PATH"]}` },
})

interface Seen {
  readonly pid: string
  readonly argv: string
  readonly environ: string
}

const readProcess = (pid: string): Seen | undefined => {
  try {
    const environ = readFileSync(`/proc/${pid}/environ`, "latin1")
    return { pid, environ, argv: readFileSync(`/proc/${pid}/cmdline`, "latin1") }
  } catch {
    return undefined
  }
}

/** The controller and whatever it started, except the shim's: all have its folder in their environment. */
const processes = (): ReadonlyArray<Seen> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .map(readProcess)
    .filter((seen) => seen?.environ.includes(here.controller.folder) === true)
    .filter((seen) => !/^(?:\/bin\/sh|cat|date)\0/u.test(seen?.argv ?? ""))
    .filter((seen) => seen !== undefined)

/** Seen while they could not get away. */
const caught: Array<Seen> = []

/** Each answer of the Git server takes so many milliseconds: git waits for it, and is looked at meanwhile. */
const HELD = 400

/** Looks at the processes again and again while `work` runs. */
const sampled = async (work: () => Promise<void>): Promise<ReadonlyArray<Seen>> => {
  const all = new Map<string, Seen>()
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      for (const seen of processes())
        all.set(`${seen.pid} ${seen.argv} ${seen.environ.length}`, seen)
      await pause(10)
    }
  })()
  await work().finally(() => {
    isOver = true
  })
  await watching
  return [...all.values(), ...caught]
}

const secretObject = (name: string, keys: Record<string, string>): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: here.namespace },
  stringData: keys,
})

const credentials = (keys: Record<string, string>) => ({ ...keys, "ca.crt": String(here.git.ca) })

const manifest = (name: string, rest: string): string =>
  `apiVersion: v1\nkind: Secret\nmetadata:\n  name: ${name}\n${rest}`

/** Each names its Secret; all of them are refused, by the renderer or by the API server. */
const bad = (): Files => ({
  "duplicate.yaml": manifest(
    "duplicate",
    `stringData:\n  a: ${marker("one")}\n  a: ${marker("two")}\n`,
  ),
  "tab.yaml": manifest("tab", `stringData:\n\ta: ${marker("tab")}\n`),
  "quote.yaml": manifest("quote", `stringData:\n  a: "${marker("quote")}\n`),
  "colon.yaml": manifest("colon", `stringData:\n  a: ${marker("colon")}: ${marker("more")}\n`),
  "tag.yaml": manifest("tag", `stringData:\n  a: !!int ${marker("tag")}\n`),
  "alias.yaml": manifest("alias", `stringData:\n  a: *${marker("alias")}\n`),
  "bad.json": `{"kind": "Secret", "stringData": {"a": ${marker("json")}}}`,
  "text.yaml": `${marker("text")}\n`,
  "annotation.yaml": manifest("annotation", `  annotations: {pin: ${NUMBER}}\n`),
  "plain.yaml": manifest("plain", `data:\n  a: "${marker("plain")}!"\n`),
  "number.yaml": manifest("number", `stringData:\n  a: ${NUMBER}\n`),
  "map.yaml": manifest("map", `stringData:\n  a: {b: ${marker("map")}}\n`),
  "list.yaml": manifest("list", `data: [${marker("list")}]\n`),
  "unknown.yaml": manifest("unknown", `stringdata:\n  a: ${marker("unknown")}\n`),
  "docker.yaml": manifest(
    "docker",
    `type: kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: ${marker("docker")}\n`,
  ),
  "tls.yaml": manifest(
    "tls",
    `type: kubernetes.io/tls\nstringData:\n  tls.key: ${marker("tls")}\n`,
  ),
  "typed.yaml": manifest("typed", `type: changed\nstringData:\n  a: ${marker("type")}\n`),
  "locked.yaml": manifest("locked", `immutable: true\nstringData:\n  a: ${marker("changed")}\n`),
  "policy.yaml": manifest(
    "policy",
    `  labels: {public: yes-it-is}\nstringData:\n  a: ${marker("policy")}\n`,
  ),
})

const REFUSED = 19

const good = (): Files => ({
  "good.yaml": manifest("good", `stringData:\n  a: ${marker("plain-text")}\n`),
  "encoded.yaml": manifest("encoded", `data:\n  a: ${base64(marker("encoded"))}\n`),
  "typed.yaml": manifest("typed", `type: Opaque\nstringData:\n  a: ${marker("type")}\n`),
  "locked.yaml": manifest("locked", `immutable: true\nstringData:\n  a: ${marker("locked")}\n`),
  "gone.yaml": manifest("gone", `stringData:\n  a: ${marker("gone")}\n`),
})

/** A policy whose author quotes what it refuses. */
const talkativePolicy = async (): Promise<ReadonlyArray<ObjectKey>> => {
  const apiVersion = "admissionregistration.k8s.io/v1"
  const metadata = { name: `talkative-${here.namespace}` }
  const rule = {
    apiGroups: [""],
    apiVersions: ["v1"],
    operations: ["CREATE", "UPDATE"],
    resources: ["secrets"],
  }
  const policy = {
    apiVersion,
    kind: "ValidatingAdmissionPolicy",
    metadata,
    spec: {
      matchConstraints: { resourceRules: [rule] },
      validations: [
        {
          expression: "!has(object.metadata.labels) || !('public' in object.metadata.labels)",
          messageExpression: "'refused: ' + string(object.data.a)",
        },
      ],
    },
  }
  const binding = {
    apiVersion,
    kind: "ValidatingAdmissionPolicyBinding",
    metadata,
    spec: {
      policyName: metadata.name,
      validationActions: ["Deny"],
      matchResources: {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": here.namespace } },
      },
    },
  }
  await here.api.apply(policy)
  await here.api.apply(binding)
  const trial = { ...secretObject("trial", { a: "x" }) }
  const labelled = { ...trial, metadata: { ...trial.metadata, labels: { public: "x" } } }
  await eventually("the policy is enforced", () =>
    here.api.apply(labelled, { dryRun: true }).then(
      () => undefined,
      () => true,
    ),
  )
  return [policy, binding]
}

const failedWith = (name: string, count: number): Promise<Json> =>
  statusOf(here, name, `has ${count} failures`, (s) => s.failures?.length === count)

/** Good Secrets, then bad ones, then one that somebody changed, then a wrong password and a wrong token. */
const everything = async (): Promise<void> => {
  const { api, namespace } = here
  await api.apply(
    secretObject("by-password", credentials({ username: "robot", password: PASSWORD })),
  )
  await api.apply(
    secretObject("by-token", credentials({ bearerToken: BEARER, unused: marker("unused") })),
  )
  await api.apply(secretObject("taken", { a: marker("before") }))

  const one = await here.git.createRepo("one")
  one.fail(slow(HELD))
  const first = await one.commit({
    ...good(),
    "taken.yaml": manifest("taken", `stringData:\n  a: ${marker("after")}\n`),
  })
  const byPassword = { secretRef: { name: "by-password" }, reconcileInterval: "2s" }
  await api.apply(gitRepository(here, "one", one.url, byPassword))
  await synced(here, "one", first)
  await api.patch(secretKey("good"), { stringData: { a: marker("drift") } })
  await api.delete(secretKey("encoded"))
  await api.waitFor(secretKey("encoded"), (live) => live !== undefined, { until: "is healed" })
  await one.commit({ ...bad(), "gone.yaml": null })
  await requestSync(here, "one")
  const refused = await failedWith("one", REFUSED)
  assert.deepEqual(refused.failures.map((f: Json) => f.file).sort(), Object.keys(bad()).sort())
  assert.isDefined(await api.get(secretKey("gone")))

  const two = await here.git.createRepo("two")
  two.fail(slow(HELD))
  const second = await two.commit({ "a.yaml": configMap("two", "x") })
  await api.apply(gitRepository(here, "two", two.url, { secretRef: { name: "by-token" } }))
  await synced(here, "two", second)
  // A server that does not answer holds git at its most talkative for as long as it takes to look at it.
  two.fail(stall())
  await requestSync(here, "two")
  const asking = await eventually("git speaks to the server", async () => {
    const found = processes().filter(({ argv }) => argv.includes("remote-https"))
    return found.length > 0 ? found : undefined
  })
  caught.push(...asking)
  two.recover()
  two.fail(slow(HELD))
  for (const { pid } of asking) process.kill(Number(pid), "SIGKILL")

  const three = await here.git.createRepo("three")
  three.fail(slow(HELD))
  await three.commit({ "a.yaml": manifest("three", `stringData:\n  a: ${marker("denied")}\n`) })
  await api.apply({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "nobody", namespace },
  })
  const asNobody = { secretRef: { name: "by-token" }, serviceAccountName: "nobody" }
  await api.apply(gitRepository(here, "three", three.url, asNobody))
  await failedWith("three", 1)

  for (const [name, keys] of [
    ["wrong-password", { username: "robot", password: marker("wrong-password") }],
    ["wrong-token", { bearerToken: marker("wrong-token") }],
    ["half", { username: marker("half") }],
    ["lines", { bearerToken: `${marker("line")}\n${marker("break")}` }],
  ] as const) {
    await api.apply(secretObject(name, credentials(keys)))
    await api.apply(gitRepository(here, name, two.url, { secretRef: { name } }))
    await failedWith(name, 1)
  }

  const five = await here.git.createRepo("five")
  await five.commit({ "a.yaml": manifest("five", `stringData:\n  a: ${marker("planned")}\n`) })
  const dry = { secretRef: { name: "by-token" }, dryRun: true }
  await api.apply(gitRepository(here, "five", five.url, dry))
  await statusOf(here, "five", "has a plan", (s) => s.plan?.length > 0)

  const echo = await here.git.createRepo("echo")
  echo.fail({
    kind: "status",
    code: 403,
    headers: { "content-type": "text/plain" },
    body: `token ${BEARER} is not enough`,
  })
  await api.apply(gitRepository(here, "echo", echo.url, { secretRef: { name: "by-token" } }))
  await failedWith("echo", 1)
}

const secretKey = (name: string): ObjectKey => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: here.namespace },
})

const filesBelow = async (folder: string): Promise<ReadonlyArray<string>> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

const listed = async (apiVersion: string, kind: string): Promise<ReadonlyArray<Json>> =>
  here.api.list({ apiVersion, kind, namespace: here.namespace })

/** The variables that hold a marker. */
const tainted = (environ: string): ReadonlyArray<string> =>
  environ
    .split("\0")
    .filter((variable) => found(variable).length > 0)
    .map((variable) => variable.split("=", 1)[0] ?? "")

describe("secrets", () => {
  let samples: ReadonlyArray<Seen> = []
  const cleanUp: ObjectKey[] = []
  afterAll(async () => {
    for (const key of cleanUp) await here.api.delete(key)
  })

  it("of every kind are used, refused, changed, planned and denied", async () => {
    explainFailure(here)
    cleanUp.push(...(await talkativePolicy()))
    samples = await sampled(everything)
    const live = await here.api.get(secretKey("encoded"))
    assert.strictEqual(live.data.a, base64(marker("encoded")))
    assert.isAbove(
      found(JSON.stringify(live)).length,
      0,
      "the search finds a marker where there is one",
    )
  }, 180_000)

  it("are in no log line", async () => {
    const text = await readFile(here.controller.log, "utf8")
    assert.include(text, "NOPEA-R0")
    assertClean("the log", text)
  })

  it("are in no Event", async () => {
    const events = await listed("events.k8s.io/v1", "Event")
    assert.isAbove(events.length, 5)
    for (const event of events) assertClean("an Event", JSON.stringify(event))
  })

  it("are in no status, annotation or managed field of a GitRepository", async () => {
    const all = await listed("nopea.false.systems/v1alpha1", "GitRepository")
    assert.strictEqual(all.length, 9)
    for (const one of all) assertClean(one.metadata.name, JSON.stringify(one))
  })

  it("are in a live Secret's values only, not in its metadata", async () => {
    for (const { metadata } of await listed("v1", "Secret")) {
      assertClean(metadata.name, JSON.stringify(metadata))
    }
  })

  it("are on no page that the controller serves", async () => {
    for (const path of ["/metrics", "/health", "/ready", "/"]) {
      const answer = await fetch(`http://127.0.0.1:${here.controller.port}${path}`)
      assertClean(path, `${JSON.stringify([...answer.headers])}${await answer.text()}`)
    }
  })

  it("are in no argument of any process, and in the environment of the git that asks the server only", () => {
    assert.isAbove(samples.length, 10)
    assert.isTrue(samples.some(({ argv }) => argv.includes("remote-https")))
    for (const { argv, environ } of samples) {
      assertClean("argv", argv)
      if (!/^(?:[^\0]*\/)?git\b/u.test(argv)) assert.deepEqual(tainted(environ), [], argv)
    }
    const given = readdirSync(notes)
      .filter((name) => name.endsWith(".argv"))
      .map((name) => {
        const pid = name.split(".", 1)[0]
        const twin = readdirSync(notes).find(
          (n) => n.startsWith(`${pid}.`) && n.endsWith(".environ"),
        )
        return {
          argv: readFileSync(join(notes, name), "latin1"),
          environ: readFileSync(join(notes, twin ?? ""), "latin1"),
        }
      })
    const commands = new Set<string>()
    const informed = new Set<string>()
    for (const { argv, environ } of given) {
      const command = argv.split("\0", 1)[0] ?? ""
      commands.add(command)
      assertClean("argv", argv)
      for (const variable of tainted(environ)) {
        assert.match(variable, /^GIT_CONFIG_VALUE_\d+$/u)
        informed.add(command)
      }
    }
    assert.includeMembers([...commands], ["version", "fetch", "cat-file"])
    assert.includeMembers(["fetch", "ls-remote"], [...informed])
    assert.include([...informed], "fetch")
  })

  it("are in no file of the data directory", async () => {
    const files = await filesBelow(join(here.controller.folder, "mirrors"))
    assert.isAbove(files.length, 10)
    for (const file of files) assertClean(file, await readFile(file, "latin1"))
  })

  it("are in no error of `nopea render`, which prints the objects themselves", async () => {
    const folder = mkdtempSync(join(tmpdir(), "nopea-render-"))
    for (const [file, text] of Object.entries(bad()))
      await writeFile(join(folder, file), String(text))
    const main = join(import.meta.dirname, "..", "..", "src/main.ts")
    const ended = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
      execFile(process.execPath, [main, "render", folder], (error, _, stderr) => {
        resolve({ code: error?.code, stderr })
      })
    })
    await rm(folder, { recursive: true, force: true })
    assert.strictEqual(ended.code, 1)
    assert.include(ended.stderr, "duplicate.yaml")
    assertClean("nopea render", ended.stderr)
  })
})
