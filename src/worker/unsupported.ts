/** Fields of the contract that this version does not carry out: refused, so that nobody relies on them. */
import { Result } from "effect"
import { ConfigError } from "../domain/errors.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import type { RepositorySpec } from "../domain/spec.ts"

/** What each field would promise, and when it is asked for. */
const PENDING: Readonly<Record<string, (spec: RepositorySpec) => boolean>> = {
  "spec.rolloutRef": ({ rolloutRef }) => rolloutRef !== undefined,
}

/** Names every such field of a spec at once. */
export const refuseUnsupported = (repository: GitRepository): Result.Result<void, ConfigError> => {
  const asked = Object.keys(PENDING).filter((name) => PENDING[name]?.(repository.spec) === true)
  if (asked.length === 0) return Result.void
  return Result.fail(
    new ConfigError({
      code: "NOPEA-C006",
      operation: "read GitRepository",
      subject: keyOf(repository),
      reason: `this version does not carry out ${asked.join(", ")}`,
      fix: "remove what is named, or use a version of the controller that knows it",
      disposition: "stall",
    }),
  )
}
