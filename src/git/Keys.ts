/** An SSH key where ssh can read it, for as long as one conversation lasts. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Duration, Effect } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { GitCredentials } from "../domain/source.ts"
import type { Environment } from "./environment.ts"
import { type Finished, type GitCommand, runGit } from "./GitProcess.ts"
import { onDisk } from "./Mirrors.ts"
import { FILES, keyFiles, mayBePassphrase, sshEnvironment, sshLines } from "./ssh.ts"

const remove = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true })

const make = async (root: string): Promise<string> => {
  await mkdir(root, { recursive: true, mode: 0o700 })
  return mkdtemp(join(root, "key-"))
}

/** `use` gets a folder that nobody else reads, and that is gone when it has ended, however it ends. */
export const inFolder = <A, E>(
  root: string,
  use: (folder: string) => Effect.Effect<A, E>,
): Effect.Effect<A, E | GitError> =>
  Effect.acquireUseRelease(
    onDisk(() => make(root)),
    use,
    (folder) => Effect.promise(() => remove(folder)),
  )

const write = async (folder: string, credentials: GitCredentials): Promise<void> => {
  for (const { name, text, mode } of keyFiles(credentials)) {
    await writeFile(join(folder, name), text, { mode })
  }
}

/** `use` gets the folder with the files of `ssh.ts`. */
export const withKeys = <A, E>(
  root: string,
  credentials: GitCredentials,
  use: (folder: string) => Effect.Effect<A, E>,
): Effect.Effect<A, E | GitError> =>
  inFolder<A, E | GitError>(root, (folder) =>
    Effect.andThen(
      onDisk(() => write(folder, credentials)),
      use(folder),
    ),
  )

/** Of a controller that was killed. */
export const forgetKeys = (root: string): Effect.Effect<void, GitError> =>
  onDisk(() => remove(root))

interface Attempt {
  readonly env: Environment
  readonly credentials: GitCredentials
  readonly keys: string
}

const OPENS: Pick<GitCommand, "program" | "maxBytes" | "limit"> = {
  program: "ssh-keygen",
  maxBytes: 100_000,
  limit: Duration.seconds(10),
}

/** In the words of ssh, and of ssh-keygen where ssh keeps to itself that the passphrase was wrong. */
export const explained = <E>(
  attempt: Effect.Effect<Finished, E>,
  { env, credentials, keys }: Attempt,
): Effect.Effect<Finished, E> =>
  Effect.flatMap(attempt, (finished) => {
    const said = { ...finished, trace: "", far: sshLines(finished.trace, keys) }
    if (finished.code === 0 || !mayBePassphrase(finished.trace, credentials)) {
      return Effect.succeed(said)
    }
    const args = ["-y", "-f", join(keys, FILES.identity)]
    const opening = runGit({ ...OPENS, args, env: { ...env, ...sshEnvironment(keys) } })
    return Effect.map(opening, (opened) =>
      opened.how !== "exited" || opened.code === 0
        ? said
        : { ...said, far: sshLines(opened.stderr, keys) },
    )
  })
