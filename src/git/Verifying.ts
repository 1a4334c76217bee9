/** Whether a trusted key signed a commit: ssh-keygen says so, about the bytes that the mirror holds. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Duration, Effect } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { CommitId } from "../domain/source.ts"
import type { Environment } from "./environment.ts"
import { runGit } from "./GitProcess.ts"
import { inFolder } from "./Keys.ts"
import { onDisk } from "./Mirrors.ts"
import { present } from "./Reading.ts"
import type { Session } from "./Session.ts"
import * as signature from "./signature.ts"

const COMMIT_BYTES = 2 ** 20
const LIMIT = Duration.seconds(30)

export interface Trust {
  readonly keys: ReadonlyArray<signature.TrustedKey>
  readonly env: Environment
  /** For the files of one question. */
  readonly root: string
}

const isGood = (signed: signature.Signed, { keys, env, root }: Trust) =>
  inFolder(root, (folder) =>
    Effect.gen(function* () {
      const [signers, proof] = [join(folder, "signers"), join(folder, "proof")]
      yield* onDisk(() => writeFile(signers, signature.allowedSigners(keys), { mode: 0o600 }))
      yield* onDisk(() => writeFile(proof, signed.signature, { mode: 0o600 }))
      const args = ["-Y", "verify", "-f", signers, "-I", signature.SIGNER, "-n", "git", "-s", proof]
      const stdin = signed.payload
      return yield* runGit({
        program: "ssh-keygen",
        args,
        env,
        stdin,
        maxBytes: 10_000,
        limit: LIMIT,
      })
    }),
  )

/** Fails where it is not signed, not by one of these keys, or not as it is. */
export const verify = Effect.fnUntraced(function* (
  session: Session,
  commit: CommitId,
  trust: Trust,
): Effect.fn.Return<void, GitError> {
  const refuse = (fault: Parameters<Session["fail"]>[0], reason: string) =>
    session.fail(fault, `commit ${commit.slice(0, 12)}: ${reason}`)
  const { objects } = yield* present(session, [commit], COMMIT_BYTES)
  const bytes = objects.get(commit)
  if (bytes === undefined) return yield* session.fail("gone", `${commit} is not here`)
  const signed = yield* Effect.mapError(
    Effect.fromResult(signature.signedIn(bytes)),
    ([fault, reason]) => refuse(fault, reason),
  )
  const why = signature.untrusted(signed, trust.keys)
  if (why !== undefined) return yield* refuse(...why)
  const finished = yield* isGood(signed, trust)
  if (finished.how === "exited" && finished.code === 0) return
  if (finished.how === "unstarted") return yield* refuse("sshMissing", "ssh-keygen does not start")
  if (finished.how !== "exited" || finished.code < 0) return yield* session.failOf(finished)
  return yield* refuse("altered", "its signature is not of this commit")
})
