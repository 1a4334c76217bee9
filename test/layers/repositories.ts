// GitRepositories for tests: what the API server would send, decoded by the real decoder.
import { Result } from "effect"
import { decodeRepository, type GitRepository } from "../../src/domain/repository.ts"

export interface RepositoryFields {
  readonly namespace?: string
  readonly uid?: string
  readonly generation?: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly deletionTimestamp?: string
  readonly finalizers?: ReadonlyArray<string>
  readonly resourceVersion?: string
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: Readonly<Record<string, unknown>>
}

/** The object as the API server has it. */
export const repositoryObject = (name: string, fields: RepositoryFields = {}) => {
  const { spec, status, namespace = "apps", uid = `uid-${name}`, generation = 1, ...rest } = fields
  return {
    apiVersion: "nopea.false.systems/v1alpha1",
    kind: "GitRepository",
    metadata: { name, namespace, uid, generation, ...rest },
    spec: { url: `https://git.example/${name}.git`, ...spec },
    ...(status === undefined ? {} : { status }),
  }
}

export const repository = (name: string, fields: RepositoryFields = {}): GitRepository =>
  Result.getOrThrow(decodeRepository(repositoryObject(name, fields)))

/** One that was synced before: its first sync after a restart is no news. */
export const SYNCED = { phase: "Synced", lastAttemptedCommit: "a".repeat(40) } as const
