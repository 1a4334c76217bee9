import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { load } from "js-yaml"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Api, type Json, type KubeObject } from "../cluster/Api.ts"
import { type ControlPlane, startControlPlane } from "../cluster/ControlPlane.ts"
import { cluster } from "../cluster/connect.ts"
import { kubeconfigText } from "../cluster/users.ts"
import { gitRepository, stage } from "../scenario/world.ts"
import { runNopea, terminal } from "./Terminal.ts"

const root = join(import.meta.dirname, "..", "..")
const here = stage()
const { nopea, kubeconfig } = terminal()

beforeAll(async () => {
  await here.api.apply(gitRepository(here, "shop", "https://git.example.com/shop.git"))
})

describe("what is not there", () => {
  it("is answered with the names that may have been meant", async () => {
    const missing = await nopea("status", "shpo", "-n", here.namespace)
    expect(missing).toEqual({
      code: 3,
      out: "",
      err: `error: there is no GitRepository shpo in namespace ${here.namespace}\n  fix: did you mean shop?\n`,
    })
    const elsewhere = await nopea("drift", "shop")
    expect(elsewhere.code).toBe(3)
    expect(elsewhere.err).toContain(`-n ${here.namespace}`)
  })
  it("is a context: those that are there are named", async () => {
    const { code, err } = await nopea("get", "--context", "prod")
    expect(code).toBe(2)
    expect(err).toContain("has no context prod (it has: admin, controller, nobody)")
    expect(err).toContain("\n  fix: ")
  })
  it("is a kubeconfig, a command or a flag", async () => {
    expect(await nopea("get", "--kubeconfig", "/nowhere/config")).toMatchObject({
      code: 2,
      out: "",
    })
    const typo = await nopea("statsu")
    expect(typo).toMatchObject({ code: 2, out: "" })
    expect(typo.err).toContain("status")
    expect((await nopea("get", "--foo")).code).toBe(2)
    expect((await nopea("explain", "A999")).code).toBe(3)
  })
})

describe("a user without rights", () => {
  it("is told which one is missing", async () => {
    const { code, err } = await nopea("get", "-A", "--context", "nobody")
    expect(code).toBe(4)
    expect(err).toMatch(
      /^error: NOPEA-A002 list .+"nobody" cannot list.+\n {2}fix: grant nobody the verb list on /,
    )
    expect((await nopea("suspend", "shop", "--context", "nobody")).code).toBe(4)
  })
  it("hears of a token that is not accepted", async () => {
    const file = `${kubeconfig()}-old`
    const { server, ca } = cluster()
    await writeFile(file, kubeconfigText(server, ca, { me: "expired" }))
    const { code, err } = await runNopea(file, ["get"])
    expect(code).toBe(4)
    expect(err).toContain("NOPEA-A001")
    expect(err).not.toContain("expired")
  })
})

describe("what needs no cluster", () => {
  it("works without one", async () => {
    expect(await runNopea("/nowhere", ["version", "--client"])).toMatchObject({ code: 0, err: "" })
    const explained = await runNopea("/nowhere", ["explain", "a4"])
    expect(explained).toMatchObject({ code: 0, err: "" })
    expect(explained.out).toContain("NOPEA-A004: ")
    for (const shell of ["bash", "zsh", "fish"])
      expect((await runNopea("/nowhere", ["completion", shell])).out).toContain("approve-prune")
    expect((await runNopea("/nowhere", [])).code).toBe(0)
  })
})

describe("a terminal", () => {
  it("gets colours only where it wants them", async () => {
    const args = ["status", "shop", "-n", here.namespace]
    const colour = "\u001B["
    expect((await runNopea(kubeconfig(), args)).out).not.toContain(colour)
    expect((await runNopea(kubeconfig(), args, { FORCE_COLOR: "1" })).out).toContain(colour)
    const env = { FORCE_COLOR: "1", NO_COLOR: "1" }
    expect((await runNopea(kubeconfig(), args, env)).out).not.toContain(colour)
  })
})

describe("kubectl", () => {
  it("finds it as its plug-in", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nopea-plugin-"))
    await symlink(join(root, "dist/nopea.js"), join(folder, "kubectl-nopea"))
    const env = { PATH: `${folder}:${join(process.execPath, "..")}:${process.env["PATH"]}` }
    const { stdout } = await promisify(execFile)(
      cluster().bin.kubectl,
      ["nopea", "get", "-n", here.namespace],
      { env: { ...env, HOME: "/nowhere", KUBECONFIG: kubeconfig() } },
    )
    expect(stdout).toMatch(/^NAME +PHASE.+\nshop +Pending/)
    await rm(folder, { recursive: true })
  })
})

/** It takes the definition away, and stops the server: never with a cluster of somebody else. */
describe.skipIf(Boolean(process.env["NOPEA_TEST_KUBECONFIG"]))("a cluster of its own", () => {
  let plane: ControlPlane | undefined
  beforeAll(async () => {
    plane = await startControlPlane({ controllerManager: false, say: () => {} })
  })
  afterAll(() => plane?.stop())

  it("without the definition, with another version of it, with an older one, and stopped", async () => {
    if (plane === undefined) throw new Error("no control plane")
    const { server, ca, token, kubeconfig: file } = plane
    const api = new Api({ server, ca, token })
    const absent = await runNopea(file, ["get"])
    expect(absent.code).toBe(3)
    expect(absent.err).toContain(`error: NOPEA is not installed at ${server}`)
    expect((await runNopea(file, ["version"])).out).toContain("definition  not installed")
    const versions = JSON.parse((await runNopea(file, ["version", "-o", "json"])).out)
    expect(Object.keys(versions)).toEqual(["client", "definition", "controller", "cluster"])

    const text = await readFile(join(root, "deploy/crd/gitrepositories.yaml"), "utf8")
    const definition = load(text) as KubeObject
    await api.applyDefinition(load(text.replaceAll("v1alpha1", "v1alpha0")) as KubeObject)
    const other = await runNopea(file, ["status", "shop"])
    expect(other.code).toBe(3)
    expect(other.err).toContain("serves GitRepository in nopea.false.systems/v1alpha0")

    await api.delete(definition)
    await api.waitForGone(definition)
    const older = structuredClone(definition) as KubeObject & { spec: Json }
    delete older.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.verify
    await api.applyDefinition(older)
    const version = await runNopea(file, ["version"])
    expect(version.out).toContain("older than this program: it lacks v1alpha1 spec.verify")
    expect((await runNopea(file, ["get"])).code).toBe(0)

    await api.close()
    await plane.stopApiServer()
    const stopped = await runNopea(file, ["get"])
    expect(stopped.code).toBe(5)
    expect(stopped.err).toMatch(/^error: NOPEA-A018 .+\n {2}fix: check that the cluster runs/)
  })
})
