// Every mistake alone beside one good object: the good one is applied, nothing is pruned, and the way out leads out.
import { join } from "node:path"
import { afterAll, assert, describe, expect, it } from "vitest"
import { ApiFailure, eventually, type Json } from "../cluster/Api.ts"
import {
  BAD_INPUTS,
  type BadInput,
  definition,
  GOOD_INPUTS,
  otherNamespace,
  policyName,
  REFUSED_SPECS,
  type Setting,
} from "./badInputs.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const here = world()
const TABLE = join(import.meta.dirname, "..", "..", "docs", "bad-input.md")

const INTRODUCTION = `# Bad input

What NOPEA does with each mistake, alone beside a good object in the same commit. The table is what a real
run printed; \`npx vitest run -u test/scenario/bad-input.cluster.test.ts\` writes it anew, and the same test
fails where it is out of date.

- Everything good in the commit is applied.
- Nothing is pruned while anything fails or waits.
- The failure stands in \`status.failures\` with its code, its place in Git and its way out, in the message of
  the \`Ready\` condition, in an Event and in the log.
- The rest follows by itself once the way out is taken: by the next commit, or, where something in the
  cluster was missing, as soon as it is there.
`

const rows: Record<string, Array<ReadonlyArray<string>>> = {}
const spaces: string[] = []

afterAll(async () => {
  const cluster = (apiVersion: string, kind: string, name: string) =>
    here.api.delete({ apiVersion, kind, metadata: { name } })
  const admission = "admissionregistration.k8s.io/v1"
  await cluster(admission, "ValidatingAdmissionPolicyBinding", policyName(here))
  await cluster(admission, "ValidatingAdmissionPolicy", policyName(here))
  await here.api.delete(definition("gadgets", "Gadget"))
  await here.api.delete(definition("widgets", "Widget"))
  for (const name of spaces) await cluster("v1", "Namespace", name)
})

/** Free of what another run would name otherwise. */
const stable = (text: string, { name }: Setting): string =>
  text
    .replaceAll(here.git.url, "https://git.example")
    .replaceAll(here.namespace, "shop")
    .replaceAll(/\b[0-9a-f]{40}\b/gu, "<commit>")
    .replaceAll(/\b(?:[0-9a-f]{12}|[0-9a-f]{7}(?=:))\b/gu, "<commit>")
    .replaceAll(name, "web")
    .replaceAll(/, regex used for validation is '.*?'(?=\))/gu, ", …")
    .replaceAll("|", "\\|")
    .replaceAll("\n", " ")

const placeOf = (failure: Json): string =>
  [
    failure.file,
    failure.document === undefined ? undefined : `document ${failure.document}`,
    failure.line === undefined ? undefined : `line ${failure.line}`,
    failure.object === undefined ? undefined : `object ${failure.object}`,
  ]
    .filter((part) => part !== undefined)
    .join(", ")

const note = (group: string, cells: ReadonlyArray<string>, setting: Setting): void => {
  rows[group] ??= []
  rows[group].push(cells.map((cell) => stable(cell, setting)))
}

const check = (one: BadInput, status: Json): Json => {
  const found = status.failures.find((failure: Json) => failure.code === one.code)
  assert.isDefined(found, `${one.code} in ${JSON.stringify(status.failures)}`)
  const { object, ...place } = one.at ?? {}
  assert.deepInclude(found, place)
  if (object === undefined) assert.isUndefined(found.object)
  else assert.match(found.object, object)
  assert.match(found.reason, one.says)
  assert.isAbove(found.fix.length, 10)
  const ready = status.conditions.find((condition: Json) => condition.type === "Ready")
  assert.strictEqual(ready.status, "False")
  assert.include(ready.message, one.code)
  assert.include(ready.message, found.fix)
  if (one.secret !== undefined) assert.notInclude(JSON.stringify(status), one.secret)
  return found
}

const liveValue = async (name: string): Promise<string | undefined> =>
  (await here.api.get(configMapKey(here.namespace, name)))?.data.value

const good = (name: string, value: string) => ({ "good.yaml": configMap(`${name}-good`, value) })

const failed = (name: string, code: string, holds: (status: Json) => boolean = () => true) =>
  statusOf(
    here,
    name,
    `is Failed with ${code}`,
    (s) => s.phase === "Failed" && s.failures.some((f: Json) => f.code === code) && holds(s),
  )

/** A good commit with something to prune later. */
const begin = async (one: BadInput, setting: Setting) => {
  const { name } = setting
  const repo = await here.git.createRepo(name)
  await one.prepare?.(setting)
  const gone = { "gone.yaml": configMap(`${name}-gone`, "x") }
  const first = await repo.commit({ ...good(name, "old"), ...gone, ...one.before?.(setting) })
  await here.api.apply(gitRepository(here, name, repo.url, { ...one.start?.(setting) }))
  await synced(here, name, first)
  return repo
}

/** The good part of a bad commit is applied; what left Git stays until the commit is mended. */
const badCommit = async (group: string, one: BadInput, setting: Setting): Promise<void> => {
  const { name } = setting
  const repo = await begin(one, setting)
  const files = one.files?.(setting) ?? {}
  const commit = await repo.commit({ ...good(name, "new"), "gone.yaml": null, ...files })
  await requestSync(here, name)
  const status = await failed(name, one.code, (s) => s.lastAttemptedCommit === commit)
  const failure = check(one, status)
  note(group, [one.input, one.code, placeOf(failure), failure.reason, failure.fix], setting)
  assert.notStrictEqual(status.lastSyncedCommit, commit)
  assert.strictEqual(await liveValue(`${name}-good`), "new")
  assert.strictEqual(await liveValue(`${name}-gone`), "x")
  if (one.mend === undefined) {
    const removed = Object.fromEntries(Object.keys(files).map((file) => [file, null]))
    const mended = await repo.commit({ ...removed, ...one.before?.(setting) })
    await requestSync(here, name)
    await synced(here, name, mended)
  } else {
    await one.mend(setting)
    await synced(here, name, commit)
  }
  await here.api.waitForGone(configMapKey(here.namespace, `${name}-gone`))
}

/** A source that cannot be read changes nothing. */
const badSpec = async (group: string, one: BadInput, setting: Setting): Promise<void> => {
  const { name } = setting
  const repo = await begin(one, setting)
  const key = repositoryKey(here.namespace, name)
  const before = (await here.api.get(key)).spec
  const patch = (await one.spec?.(setting)) ?? {}
  await here.api.patch(key, { spec: patch })
  const failure = check(one, await failed(name, one.code))
  note(group, [one.input, one.code, "", failure.reason, failure.fix], setting)
  assert.strictEqual(await liveValue(`${name}-good`), "old")
  assert.strictEqual(await liveValue(`${name}-gone`), "x")
  const back = Object.keys(patch).map((field) => [field, before[field] ?? null])
  await here.api.patch(key, { spec: Object.fromEntries(back) })
  await synced(here, name, String(await repo.head()))
}

/** The Event that says so. */
const warned = (name: string, says: RegExp): Promise<string> =>
  eventually(`an Event says ${says}`, async () => {
    const events = await here.api.list({
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      namespace: here.namespace,
    })
    return events.find((event) => event.regarding?.name === name && says.test(event.note))?.note
  })

const slug = (input: string): string =>
  input
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, "-")
    .slice(0, 30)
    .replace(/-$/u, "")

for (const [group, inputs] of Object.entries(BAD_INPUTS)) {
  describe(group, () => {
    it.for(inputs)("$code: $input", async (one) => {
      explainFailure(here)
      const setting: Setting = { world: here, name: `c-${slug(one.input)}` }
      spaces.push(otherNamespace(setting))
      await (one.spec === undefined ? badCommit : badSpec)(group, one, setting)
    })
  })
}

describe("Looks odd, and is right", () => {
  it.for(GOOD_INPUTS)("$input", async (one) => {
    explainFailure(here)
    const setting: Setting = { world: here, name: `g-${slug(one.input)}` }
    const { name } = setting
    spaces.push(otherNamespace(setting))
    const repo = await here.git.createRepo(name)
    const commit = await repo.commit(one.files(setting))
    await here.api.apply(gitRepository(here, name, repo.url))
    const status = await synced(here, name, commit)
    const live = one.live(setting)
    assert.deepInclude(status, { resourceCount: live.length, appliedCount: live.length })
    for (const key of live) assert.isDefined(await here.api.get(key))
    const warning = one.warns === undefined ? "" : await warned(name, one.warns)
    note("Looks odd, and is right", [one.input, "", "", warning, ""], setting)
  })
})

describe("Specs that the API server refuses", () => {
  it.for(REFUSED_SPECS)("%s", async ([input, spec, says]) => {
    const setting: Setting = { world: here, name: "refused" }
    const object = gitRepository(here, "refused", "https://git.example/web.git", { ...spec })
    const refusal = await here.api.create(object).then(
      () => assert.fail("the API server took it"),
      (error: ApiFailure) => error,
    )
    assert.instanceOf(refusal, ApiFailure)
    assert.match(refusal.message, says)
    const said = refusal.message
      .replace(/^.*?: spec/u, "spec")
      .replace(/: Invalid value: "[^"]*"/u, "")
    note("Specs that the API server refuses", [input, "", "", said, ""], setting)
  })
})

const header = ["Input", "Code", "Where", "What is printed", "The way out"]

/** Without the columns that say nothing. */
const table = (cells: ReadonlyArray<ReadonlyArray<string>>): string => {
  const says = header.map((_, column) => cells.some((row) => row[column] !== ""))
  const line = (row: ReadonlyArray<string>) =>
    `| ${row.filter((_, column) => says[column]).join(" | ")} |`
  return [header, header.map(() => "---"), ...cells].map(line).join("\n")
}

/** Written anew by `vitest run -u` on this file. */
describe("docs/bad-input.md", () => {
  it("shows what was printed here", async (context) => {
    const inputs = [...Object.values(BAD_INPUTS), GOOD_INPUTS, REFUSED_SPECS].flat().length
    const shown = Object.values(rows).flat().length
    if (shown < inputs) context.skip(`only ${shown} of ${inputs} cases printed something`)
    const sections = Object.entries(rows).map(
      ([title, cells]) => `## ${title}\n\n${table(cells)}\n`,
    )
    await expect(`${INTRODUCTION}\n${sections.join("\n")}`).toMatchFileSnapshot(TABLE)
  })
})
