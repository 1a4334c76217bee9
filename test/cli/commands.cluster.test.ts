import { describe, expect, it } from "vitest"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  statusOf,
  synced,
  world,
} from "../scenario/world.ts"
import { terminal } from "./Terminal.ts"

const here = world()
const { nopea } = terminal()
const { api } = here

const started = async (name: string, files: Readonly<Record<string, string>>, spec = {}) => {
  const repo = await here.git.createRepo(name)
  const commit = await repo.commit(files, { message: `${name}: first` })
  await api.apply(gitRepository(here, name, repo.url, spec))
  await synced(here, name, commit)
  return { repo, commit }
}

const short = (commit: string) => commit.slice(0, 7)

describe("a GitRepository that is well", () => {
  it("is listed, described, synced, suspended and resumed", async () => {
    explainFailure(here)
    const { repo, commit } = await started("well", { "a.yaml": configMap("well", "1") })
    const n = ["-n", here.namespace]

    const listed = await nopea("get", "well", ...n)
    expect(listed.out.split("\n")[1]).toMatch(
      new RegExp(`^well +Synced +${short(commit)} +1/1 +0 +\\d+s +\\d+s$`),
    )
    expect((await nopea("get", ...n, "-o", "name")).out.split("\n")).toContain(
      "gitrepository.nopea.false.systems/well",
    )
    expect((await nopea("get", "-A")).out).toMatch(new RegExp(`^${here.namespace} +well`, "m"))
    const object = JSON.parse((await nopea("get", "well", ...n, "-o", "json")).out)
    expect(object.metadata).toMatchObject({ name: "well", namespace: here.namespace })
    expect(object.metadata).not.toHaveProperty("managedFields")

    const next = await repo.commit({ "a.yaml": configMap("well", "2") }, { message: "second" })
    const sync = await nopea("sync", "well", ...n, "--timeout", "40s")
    expect(sync).toMatchObject({ code: 0, err: "" })
    expect(sync.out).toContain(`${here.namespace}/well  Synced  ${short(next)}  1 of 1 objects`)
    expect(sync.out).toContain("1 configured")
    expect((await api.get(configMapKey(here.namespace, "well")))?.data.value).toBe("2")

    expect((await nopea("status", "well", ...n)).out).toContain(`${short(next)} "second" by `)
    expect((await nopea("history", "well", ...n)).out.split("\n")).toHaveLength(4)
    expect((await nopea("drift", "well", ...n)).out).toContain("no drift")

    expect((await nopea("suspend", "well", ...n)).out).toContain("suspended")
    await statusOf(here, "well", "is Suspended", ({ phase }) => phase === "Suspended")
    const refused = await nopea("sync", "well", ...n)
    expect(refused.code).toBe(1)
    expect(refused.err).toContain(`fix: nopea resume well -n ${here.namespace}`)
    expect((await nopea("resume", "well", ...n)).code).toBe(0)
    await synced(here, "well", next)
    const live = await api.get(repositoryKey(here.namespace, "well"))
    const writers: ReadonlyArray<{ manager: string }> = live?.metadata["managedFields"] ?? []
    expect(writers.map(({ manager }) => manager)).toContain("nopea-cli")
  })
})

describe("a GitRepository that fails", () => {
  it("fails the command too, with file, line, reason and fix", async () => {
    explainFailure(here)
    const { repo } = await started("bad", { "a.yaml": configMap("bad", "1") })
    await repo.commit({ "b.yaml": "a: 1\na: 2\n" }, { message: "twice" })
    const sync = await nopea("sync", "bad", "-n", here.namespace)
    expect(sync).toMatchObject({ code: 1, out: "" })
    expect(sync.err).toMatch(/NOPEA-R011 {2}b\.yaml, line 2, document 1\n +why .+\n +fix .+/)
  })
})

describe("drift that is left", () => {
  it("is listed by object, field and author", async () => {
    explainFailure(here)
    await started("left", { "a.yaml": configMap("left", "1") }, { healPolicy: "manual" })
    await api.patch(configMapKey(here.namespace, "left"), { data: { value: "by hand" } })
    await statusOf(here, "left", "is Drifted", ({ phase }) => phase === "Drifted")
    const { out } = await nopea("drift", "left", "-n", here.namespace)
    expect(out.split("\n")[1]).toMatch(
      /^ConfigMap\/\S+\/left +data\.value +manual_drift +\S+ \(Update\) +20\S+ +left +-$/,
    )
    expect(out).not.toContain("by hand")
    const rows = JSON.parse((await nopea("drift", "left", "-n", here.namespace, "-o", "json")).out)
    expect(rows).toMatchObject([{ path: "data.value", action: "left" }])
  })
})

describe("held deletes", () => {
  it("are shown with the way to approve them, and go when they are approved", async () => {
    explainFailure(here)
    const names = ["p1", "p2", "p3", "p4", "p5"]
    const files = Object.fromEntries(names.map((name) => [`${name}.yaml`, configMap(name, "1")]))
    const { repo } = await started("prune", files)
    const gone = Object.fromEntries(names.slice(1).map((name) => [`${name}.yaml`, null]))
    const commit = await repo.commit(gone, { message: "emptied" })
    const n = ["-n", here.namespace]
    const sync = await nopea("sync", "prune", ...n)
    expect(sync.code).toBe(1)
    expect(sync.err).toContain(
      `nopea approve-prune prune -n ${here.namespace}   lets ${short(commit)}`,
    )
    expect((await nopea("approve-prune", "prune", ...n)).code).toBe(0)
    await synced(here, "prune", commit)
    await api.waitForGone(configMapKey(here.namespace, "p5"))
    expect((await nopea("approve-prune", "prune", ...n)).err).toContain("no deletes are held")
  })
})

describe("a wait that is too short", () => {
  it("ends with its own exit code, and says where to look", async () => {
    explainFailure(here)
    await started("slow", { "a.yaml": configMap("slow", "1") })
    const late = await nopea("sync", "slow", "-n", here.namespace, "--timeout", "1ms")
    expect(late.code).toBe(6)
    expect(late.err).toContain("did not end within 0s")
    expect((await nopea("sync", "slow", "-n", here.namespace, "--timeout", "soon")).code).toBe(2)
    const asked = await nopea("sync", "slow", "-n", here.namespace, "--no-wait")
    expect(asked).toMatchObject({ code: 0, err: "" })
  })
})
