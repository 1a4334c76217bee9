/** In whose name a repository's objects are applied: tenancy's first rule. */
import { Result } from "effect"
import { ConfigError } from "../domain/errors.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"

export interface IdentityRules {
  /** The controller's own namespace. */
  readonly namespace: string
  /** Empty: none. */
  readonly defaultServiceAccount: string
  readonly allowControllerIdentity: boolean
}

export interface Identity {
  readonly budget: string
  /** Absent: the controller's own rights. */
  readonly impersonate?: string
}

/** `spec.serviceAccountName`, else the default account, else the controller itself where that is allowed. */
export const identityOf = (
  repository: GitRepository,
  rules: IdentityRules,
): Result.Result<Identity, ConfigError> => {
  const { namespace } = repository.metadata
  const account = repository.spec.serviceAccountName ?? rules.defaultServiceAccount
  if (account !== "") {
    return Result.succeed({
      budget: keyOf(repository),
      impersonate: `system:serviceaccount:${namespace}:${account}`,
    })
  }
  return rules.allowControllerIdentity || namespace === rules.namespace
    ? Result.succeed({ budget: keyOf(repository) })
    : Result.fail(
        new ConfigError({
          code: "NOPEA-C004",
          operation: "choose identity",
          subject: keyOf(repository),
          reason: `it names no spec.serviceAccountName, and outside the namespace ${rules.namespace} the controller's own rights are not lent`,
          fix: `set spec.serviceAccountName to a ServiceAccount of the namespace ${namespace}, or start the controller with NOPEA_DEFAULT_SERVICE_ACCOUNT or NOPEA_ALLOW_CONTROLLER_IDENTITY=true`,
          disposition: "stall",
        }),
      )
}
