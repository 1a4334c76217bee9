// Repositories over SSH at the running controller: keys from a Secret, and what is said where they do not fit.
import { readFile } from "node:fs/promises"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type SshServer, startSshServer } from "../gitserver/SshServer.ts"
import { sshKey } from "../gitserver/sshKeys.ts"
import {
  configMap,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const PASSPHRASE = "passphrase-that-nobody-sees"
const mine = sshKey({ passphrase: PASSPHRASE })
const other = sshKey()
const hostKey = sshKey()
const here = world({ env: { NOPEA_LOG_LEVEL: "trace" } })

let ssh: SshServer
beforeAll(async () => {
  ssh = await startSshServer({ hostKey, allowed: [mine.public] })
})
afterAll(() => ssh.stop())

const store = (name: string, values: Readonly<Record<string, string>>) =>
  here.api.apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: here.namespace },
    stringData: values,
  })

describe("a GitRepository over SSH", () => {
  it("is synced with the key of its Secret, and nothing of the key is seen", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("keyed")
    const first = await repo.commit({ "a.yaml": configMap("keyed", "first") })
    const identity = mine.private
    await store("keys", { identity, known_hosts: ssh.knownHosts, password: PASSPHRASE })
    const secretRef = { name: "keys" }
    await here.api.apply(gitRepository(here, "keyed", ssh.serve(repo), { secretRef }))
    await synced(here, "keyed", first)
    const second = await repo.commit({ "a.yaml": configMap("keyed", "second") })
    await requestSync(here, "keyed")
    await synced(here, "keyed", second)
    const line = identity.split("\n")[2] ?? "none"
    const live = await here.api.get(repositoryKey(here.namespace, "keyed"))
    for (const text of [JSON.stringify(live), await readFile(here.controller.log, "utf8")]) {
      assert.notInclude(text, PASSPHRASE)
      assert.notInclude(text, line)
      assert.notInclude(text, "PRIVATE KEY")
    }
  })

  it("says what is wrong with its Secret, and goes on where that is mended", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("mended")
    const commit = await repo.commit({ "a.yaml": configMap("mended", "first") })
    const known = { known_hosts: ssh.knownHosts }
    const wrong = `[127.0.0.1]:${ssh.port} ${other.public}\n`
    const secretRef = { name: "mended" }
    await store("mended", { identity: mine.private })
    await here.api.apply(gitRepository(here, "mended", ssh.serve(repo), { secretRef }))
    const fails = async (code: string) => {
      const status = await statusOf(
        here,
        "mended",
        `fails with ${code}`,
        ({ failures }) => failures?.[0]?.code === code,
      )
      assert.isNotEmpty(status.failures[0].fix)
    }
    await fails("NOPEA-C003")
    for (const [values, code] of [
      [{ identity: mine.private, ...known }, "NOPEA-G040"],
      [{ identity: mine.private, ...known, password: "no" }, "NOPEA-G040"],
      [{ identity: other.private, ...known, password: "" }, "NOPEA-G003"],
      [{ identity: mine.private, known_hosts: wrong, password: PASSPHRASE }, "NOPEA-G039"],
      [{ identity: mine.private, known_hosts: "a b\n", password: PASSPHRASE }, "NOPEA-G010"],
    ] as const) {
      await store("mended", values as Readonly<Record<string, string>>)
      await requestSync(here, "mended")
      await fails(code)
    }
    await store("mended", { identity: mine.private, ...known, password: PASSPHRASE })
    await requestSync(here, "mended")
    await synced(here, "mended", commit)
  })
})
