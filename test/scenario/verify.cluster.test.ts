// Signed commits at the running controller: what nobody trusted signed is not applied, and drift goes on being healed.
import { assert, describe, it } from "vitest"
import { eventually } from "../cluster/Api.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { signHead } from "../gitserver/signing.ts"
import { type SshKey, sshKey } from "../gitserver/sshKeys.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const here = world()
const [alice, bob] = [sshKey(), sshKey()]

/** A commit of this value at main, signed. */
const signed = async (repo: GitRepo, value: string, key: SshKey): Promise<string> => {
  await repo.commit({ "a.yaml": configMap("signed", value) })
  return signHead(repo, value, key)
}

const live = async (): Promise<string> =>
  (await here.api.get(configMapKey(here.namespace, "signed")))?.data.value

describe("a GitRepository that verifies", () => {
  it("applies what a trusted key signed, refuses all else, and heals as the last verified commit says", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("signed")
    const first = await signed(repo, "first", alice)
    const store = (team: string) =>
      here.api.apply({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "signers", namespace: here.namespace },
        stringData: { team },
      })
    await store(alice.public)
    const verify = { secretRef: { name: "signers" } }
    await here.api.apply(gitRepository(here, "signed", repo.url, { verify }))
    await synced(here, "signed", first)
    const refused = async (code: string, commit: string) => {
      await requestSync(here, "signed")
      const status = await statusOf(
        here,
        "signed",
        `refuses ${commit} with ${code}`,
        ({ failures }) =>
          failures?.[0]?.code === code && failures[0].reason.includes(commit.slice(0, 12)),
      )
      assert.strictEqual(status.phase, "Failed")
      assert.strictEqual(status.lastSyncedCommit, first)
      await here.api.patch(configMapKey(here.namespace, "signed"), { data: { value: "edited" } })
      await eventually("the edit is healed", async () => (await live()) === "first" || undefined)
    }
    await refused("NOPEA-G042", await repo.commit({ "a.yaml": configMap("signed", "unsigned") }))
    const foreign = await signed(repo, "foreign", bob)
    await refused("NOPEA-G043", foreign)
    await store(`${alice.public}\n${bob.public}\n`)
    await requestSync(here, "signed")
    await synced(here, "signed", foreign)
    assert.strictEqual(await live(), "foreign")
  })
})
