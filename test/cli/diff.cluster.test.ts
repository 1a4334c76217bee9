import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../cluster/Api.ts"
import { sshKey } from "../gitserver/sshKeys.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  requestSync,
  statusOf,
  synced,
  world,
} from "../scenario/world.ts"
import { program, terminal } from "./Terminal.ts"

const here = world({ git: { users: { ann: "s3cret" } } })
const { nopea, kubeconfig } = terminal()
const secret = (value: string) =>
  `apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\nstringData:\n  password: ${value}\n`

const credentials = { secretRef: { name: "git" } }
let folder = ""
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "nopea-diff-test-"))
  await here.api.apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "git", namespace: here.namespace },
    stringData: { username: "ann", password: "s3cret" },
  })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe("nopea diff", () => {
  it("tells nothing, changes, and errors apart by its exit code, and shows no secret", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("diff")
    const files = {
      "a.yaml": configMap("a", "1"),
      "b.yaml": configMap("b", "1"),
      "s.yaml": secret("first"),
    }
    const commit = await repo.commit(files, { message: "first" })
    await here.api.apply(gitRepository(here, "diff", repo.url, credentials))
    await synced(here, "diff", commit)
    const n = ["-n", here.namespace]
    expect(await nopea("diff", "diff", ...n)).toEqual({
      code: 0,
      out: "",
      err: "3 objects: 3 unchanged\n",
    })

    const next = await repo.commit({
      "a.yaml": configMap("a", "2"),
      "b.yaml": null,
      "s.yaml": secret("second"),
    })
    const changed = await nopea("diff", "diff", ...n)
    expect(changed.code).toBe(1)
    expect(changed.err).toBe("3 objects: 2 changed, 1 deleted\n")
    expect(changed.out).toContain(`+++ ${next.slice(0, 7)} a.yaml:1  ConfigMap/${here.namespace}/a`)
    expect(changed.out).toMatch(/^- {2}value: '1'\n\+ {2}value: '2'$/m)
    expect(changed.out).toContain("*** (after)")
    for (const value of ["first", "second", "s3cret"])
      for (const form of [value, Buffer.from(value).toString("base64")])
        expect(changed.out + changed.err).not.toContain(form)
    const live = await here.api.get(configMapKey(here.namespace, "a"))
    expect(live?.data.value).toBe("1")

    await writeFile(join(folder, "new.yaml"), configMap("new", "1"))
    expect((await nopea("diff", folder, ...n)).err).toBe("1 object: 1 created\n")
    expect((await nopea("diff", "diff", folder, ...n)).err).toBe(
      "4 objects: 1 created, 3 deleted\n",
    )
    await writeFile(
      join(folder, "bad.yaml"),
      "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: x}\nspec: {replcas: 1}\n",
    )
    const bad = await nopea("diff", folder, ...n)
    expect(bad.code).toBe(2)
    expect(bad.err).toMatch(/^error: NOPEA-A\d+ .+replcas/m)
    expect((await nopea("diff", "nothing", ...n)).code).toBe(3)
    expect((await nopea("diff", "./nowhere", ...n)).code).toBe(2)
  })
})

describe("nopea diff of somebody with rights in one namespace", () => {
  it("finds what left Git there, and says that it looked nowhere else", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("tenant")
    const files = { "a.yaml": configMap("tenant-a", "1"), "b.yaml": configMap("tenant-b", "1") }
    const commit = await repo.commit(files)
    await here.api.apply(gitRepository(here, "tenant", repo.url, credentials))
    await synced(here, "tenant", commit)
    await repo.commit({ "b.yaml": null })
    const metadata = { name: "tenant", namespace: here.namespace }
    const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata }
    const verbs = ["get", "list", "patch"]
    await here.api.apply({
      ...rbac,
      kind: "Role",
      rules: [
        { apiGroups: [""], resources: ["configmaps", "secrets"], verbs },
        { apiGroups: ["nopea.false.systems"], resources: ["gitrepositories"], verbs },
      ],
    })
    const apiGroup = "rbac.authorization.k8s.io"
    await here.api.apply({
      ...rbac,
      kind: "RoleBinding",
      subjects: [{ apiGroup, kind: "User", name: "nobody" }],
      roleRef: { apiGroup, kind: "Role", name: "tenant" },
    })
    const args = ["diff", "tenant", "-n", here.namespace, "--context", "nobody"]
    const { code, err } = await nopea(...args)
    expect({ code, err }).toEqual({
      code: 1,
      err: `2 objects: 1 deleted, 1 unchanged\nconfigmaps that left Git were looked for in namespace ${here.namespace} only: you may not list those of all\n`,
    })
  })
})

describe("nopea diff of an unsigned commit", () => {
  it("shows what it would change, and that spec.verify refuses it", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("unsigned")
    await repo.commit({ "a.yaml": configMap("unsigned", "1") })
    await here.api.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "signers", namespace: here.namespace },
      stringData: { ann: sshKey().public },
    })
    const verify = { verify: { secretRef: { name: "signers" } } }
    await here.api.apply(gitRepository(here, "unsigned", repo.url, { ...credentials, ...verify }))
    await statusOf(here, "unsigned", "is refused", ({ phase }) => phase === "Failed")
    const { code, out, err } = await nopea("diff", "unsigned", "-n", here.namespace)
    expect(code).toBe(2)
    expect(out).toContain("+  value: '1'")
    expect(err).toMatch(/^error: NOPEA-G042 [^\n]+\n {2}fix: [^\n]+\n1 object: 1 created\n$/)
  })
})

describe("nopea events", () => {
  it("tells what happened, and while it is watched what happens", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("told")
    const commit = await repo.commit({ "a.yaml": configMap("told", "1") })
    await here.api.apply(gitRepository(here, "told", repo.url, credentials))
    await synced(here, "told", commit)
    const n = ["-n", here.namespace]
    const table = await eventually("the Event is there", async () => {
      const { out } = await nopea("events", "told", ...n)
      return out.includes("Succeeded") ? out : undefined
    })
    expect(table).toMatch(/^LAST SEEN +TYPE +REASON/)
    expect((await nopea("events", ...n)).code).toBe(2)
    expect((await nopea("events", "told", "-w", "-o", "json", ...n)).code).toBe(2)
    const list = JSON.parse((await nopea("events", "told", "-o", "json", ...n)).out)
    expect(list).toMatchObject({ kind: "List", items: [{ kind: "Event" }] })
    expect((await nopea("events", "--all", ...n)).out).toContain(`${here.namespace}/told`)

    const watch = spawn(process.execPath, [program, "events", "told", "--watch", ...n], {
      env: { PATH: process.env["PATH"], HOME: "/nowhere", KUBECONFIG: kubeconfig() },
    })
    let said = ""
    watch.stdout.on("data", (bytes) => {
      said += bytes
    })
    try {
      await eventually("the past is told", async () => said.includes("Succeeded") || undefined)
      await repo.commit({ "a.yaml": "a: [\n" })
      await requestSync(here, "told")
      await statusOf(here, "told", "is Failed", ({ phase }) => phase === "Failed")
      await eventually(
        "the failure is told",
        async () => said.includes("RenderFailed") || undefined,
      )
    } finally {
      watch.kill("SIGINT")
    }
    const [code] = await once(watch, "exit")
    expect(code).toBe(130)
  })
})
