// GitRepositories for tests: as the API server would send them, and decoded.
import { Result } from "effect"
import { decodeRepository, type GitRepository } from "../../src/domain/repository.ts"

export interface Wanted {
  readonly spec?: object
  readonly status?: unknown
  readonly metadata?: object
}

export const raw = ({ spec, status, metadata }: Wanted = {}) => ({
  apiVersion: "nopea.false.systems/v1alpha1",
  kind: "GitRepository",
  metadata: { name: "web", namespace: "shop", uid: "uid-1", generation: 3, ...metadata },
  spec: { url: "https://git.example/web.git", ...spec },
  ...(status === undefined ? {} : { status }),
})

export const repository = (wanted?: Wanted): GitRepository =>
  Result.getOrThrow(decodeRepository(raw(wanted)))
