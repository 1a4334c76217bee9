// Two tenants of one controller with the restricted rights; one of them is hostile.
import { afterAll, assert, beforeAll, describe, it, onTestFailed } from "vitest"
import type { Json } from "../cluster/Api.ts"
import { audit, cluster, freshNamespace } from "../cluster/connect.ts"
import { type Installation, startInstallation } from "../deploy/Installation.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { build, SAMPLES } from "../webhook/deliveries.ts"
import {
  configMap,
  configMapKey,
  gitRepository,
  repositoryKey,
  requestSync,
  type Stage,
  stage,
  statusOf,
  synced,
} from "./world.ts"

const base = stage({ users: { robot: "hunter2", other: "hunter3" } })
const { api } = base
const victim = freshNamespace(api, "victim")
const intruder = freshNamespace(api, "intruder")
const nobody = freshNamespace(api, "nobody")
let installed: Installation | undefined

const at = (namespace: string): Stage => ({
  api,
  namespace,
  get git() {
    return base.git
  },
})
const [ours, theirs] = [at(victim), at(intruder)]

const secret = async (namespace: string, name: string, stringData: Record<string, string>) => {
  await api.apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData })
}
const OWN = { secretRef: { name: "git" } }
const SHARED = { username: "robot", password: "hunter2" }

const failed = async (here: Stage, name: string): Promise<Json> =>
  (await statusOf(here, name, "is Failed", ({ phase }) => phase === "Failed")).failures[0]

/** Everything that the intruder is told about its GitRepository. */
const told = async (name: string): Promise<string> => {
  const { status } = await api.get(repositoryKey(intruder, name))
  const events = await api.list({ apiVersion: "v1", kind: "Event", namespace: intruder })
  return JSON.stringify([status, events])
}

const begin = async (here: Stage, name: string, files: Record<string, string>, spec = {}) => {
  const repo = await base.git.createRepo(`${here.namespace}/${name}`)
  const commit = await repo.commit(files)
  await api.apply(gitRepository(here, name, repo.url, { ...OWN, ...spec }))
  return { repo, commit }
}

let app: GitRepo

beforeAll(async () => {
  const tenants = [victim, intruder]
  installed = await startInstallation(api, {
    folder: "deploy/restricted",
    home: base.namespace,
    tenants,
    others: [nobody],
  })
  for (const namespace of [...tenants, nobody]) await secret(namespace, "git", SHARED)
  const files = { "a.yaml": configMap("kept", "a"), "b.yaml": configMap("leaves", "a") }
  const { repo, commit } = await begin(ours, "app", files)
  app = repo
  await synced(ours, "app", commit)
})
afterAll(() => installed?.remove())

const explain = () =>
  onTestFailed(async () => {
    process.stderr.write(`--- controller log ---\n${await installed?.controller.tail()}\n`)
  })

describe("a tenant cannot reach", () => {
  it.each([
    ["a namespace in a manifest", "manifest", `  namespace: ${victim}\n`, {}],
    ["targetNamespace", "target", "", { targetNamespace: victim }],
  ])("another's namespace by %s", async (_, name, line, spec) => {
    explain()
    await begin(theirs, name, { "a.yaml": configMap(`planted-${name}`, "x", line) }, spec)
    assert.strictEqual((await failed(theirs, name)).code, "NOPEA-A002")
    assert.isUndefined(await api.get(configMapKey(victim, `planted-${name}`)))
  })

  it("another's object by having it in Git, nor learn of it, nor keep its owner from pruning it", async () => {
    explain()
    const mine = configMap("leaves", "stolen", `  namespace: ${victim}\n`)
    await begin(theirs, "claim", { "a.yaml": mine })
    assert.strictEqual((await failed(theirs, "claim")).code, "NOPEA-A002")
    assert.notInclude(await told("claim"), `${victim}/app`)
    const commit = await app.commit({ "b.yaml": null })
    await requestSync(ours, "app")
    await synced(ours, "app", commit)
    await api.waitForGone(configMapKey(victim, "leaves"))
    await api.delete(repositoryKey(intruder, "claim"))
  })

  it("another's GitRepository, nor make one where it likes", async () => {
    explain()
    const manifest = (namespace: string) =>
      JSON.stringify({
        ...gitRepository({ ...theirs, namespace }, "app", app.url, { suspend: true }),
      })
    await begin(theirs, "nested", { "a.yaml": manifest(victim), "b.yaml": manifest(nobody) })
    const failure = await failed(theirs, "nested")
    assert.strictEqual(failure.code, "NOPEA-A002")
    assert.isFalse((await api.get(repositoryKey(victim, "app"))).spec.suspend)
    assert.isUndefined(await api.get(repositoryKey(nobody, "app")))
  })

  it("an account of another namespace, or one that NOPEA was not granted", async () => {
    explain()
    const wrong = { ...OWN, serviceAccountName: `${victim}:nopea-deployer` }
    const refusal = await api.apply(gitRepository(theirs, "colon", app.url, wrong)).then(
      () => "",
      ({ message }: Error) => message,
    )
    assert.include(refusal, "spec.serviceAccountName")
    await begin(
      theirs,
      "account",
      { "a.yaml": configMap("x", "x") },
      { serviceAccountName: "nopea" },
    )
    const failure = await failed(theirs, "account")
    assert.include(failure.fix, "impersonate")
    assert.isUndefined(await api.get(configMapKey(intruder, "x")))
  })

  it("a namespace that deploy/tenant was not applied to", async () => {
    explain()
    await begin(at(nobody), "app", { "a.yaml": configMap("x", "x") })
    await failed(at(nobody), "app")
    assert.isUndefined(await api.get(configMapKey(nobody, "x")))
  })

  it("a Secret of another namespace, by any field that names one", async (context) => {
    explain()
    await secret(victim, "only-here", { ...SHARED, address: "http://127.0.0.1:1", token: "t" })
    const named = { name: "only-here" }
    await begin(theirs, "secretref", { "a.yaml": configMap("s", "x") }, { secretRef: named })
    const failure = await failed(theirs, "secretref")
    assert.strictEqual(failure.code, "NOPEA-C002")
    const more = { healPolicy: "notify", notifyRef: named, webhook: { secretRef: named } }
    const { commit } = await begin(theirs, "others", { "a.yaml": configMap("o", "x") }, more)
    await synced(theirs, "others", commit)
    await api.patch(configMapKey(intruder, "o"), { data: { value: "edited" } })
    await statusOf(theirs, "others", "is Drifted", ({ phase }) => phase === "Drifted")
    assert.strictEqual(await deliver("others", "hunter2"), 401)
    const path = `${victim}/secrets/only-here`
    const refusal = await api
      .apply(gitRepository(theirs, "slash", app.url, { secretRef: { name: `../${path}` } }))
      .then(
        () => "",
        ({ message }: Error) => message,
      )
    assert.include(refusal, "spec.secretRef.name")
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const user = String(installed?.user)
    const reads = await audit({ user, resource: "secrets", namespace: victim })
    assert.notInclude(
      reads.map(({ name }) => name),
      "only-here",
    )
  })

  it.each([
    ["no credentials", {}],
    ["other credentials", { secretRef: { name: "wrong" } }],
  ])("what was fetched with another's credentials, by %s", async (_, spec) => {
    explain()
    const name = "secretRef" in spec ? "with-wrong" : "without"
    await secret(intruder, "wrong", { username: "robot", password: "guessed" })
    const before = await api.get(configMapKey(victim, "kept"))
    assert.isDefined(before)
    await api.apply(gitRepository(theirs, name, app.url, spec))
    assert.match((await failed(theirs, name)).code, /^NOPEA-G/u)
    assert.isUndefined(await api.get(configMapKey(intruder, "kept")))
  })

  it("another's webhook, with a secret of its own", async () => {
    explain()
    await secret(intruder, "hook", { secret: "mine" })
    await secret(victim, "hook", { secret: "theirs" })
    const webhook = { webhook: { secretRef: { name: "hook" } } }
    await api.patch(repositoryKey(victim, "app"), { spec: webhook })
    assert.strictEqual(await deliver("app", "mine", victim), 401)
    assert.strictEqual(await deliver("app", "theirs", victim), 202)
  })
})

const deliver = async (name: string, key: string, namespace = intruder): Promise<number> => {
  const { github } = SAMPLES
  const repository = { clone_url: app.url, html_url: app.url.replace(/\.git$/u, "") }
  const headers = { ...github.headers, "x-github-delivery": `${namespace}-${name}-${key}` }
  const { body, headers: signed } = build(
    { ...github, headers, body: { ...github.body, repository } },
    { secret: key },
  )
  const url = `http://127.0.0.1:${installed?.controller.port}/webhook/${namespace}/${name}`
  return (await fetch(url, { method: "POST", body: new Uint8Array(body), headers: signed })).status
}

describe("a tenant's forged marks", () => {
  it("make no object another's: it is neither pruned nor counted", async () => {
    explain()
    const { metadata } = await api.get(configMapKey(victim, "kept"))
    const labels = {
      ...metadata.labels,
      "nopea.io/repository-uid": "00000000-0000-0000-0000-000000000000",
    }
    const forged = {
      ...configMapKey(intruder, "forged"),
      metadata: { name: "forged", namespace: intruder, labels, annotations: metadata.annotations },
    }
    await api.apply(forged, { fieldManager: "nopea" })
    const commit = await app.commit({ "c.yaml": configMap("more", "x") })
    await requestSync(ours, "app")
    const status = await synced(ours, "app", commit)
    assert.strictEqual(status.history[0].pruned, 0)
    assert.isDefined(await api.get(configMapKey(intruder, "forged")))
  })
})
