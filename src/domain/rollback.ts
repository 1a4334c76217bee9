/** Going back: an annotation names the commit that is left and the one that is applied instead, until Git has another. */
import { Result } from "effect"
import { ConfigError } from "./errors.ts"
import { type GitRepository, keyOf } from "./repository.ts"

/** `<full id of the commit that is left>..<full id of the one that is applied>`; docs/adr/016-rollback.md. */
export const ANNOTATION_ROLLBACK = "nopea.io/rollback"

export interface Rollback {
  /** Not applied, for as long as what is followed is there. */
  readonly from: string
  readonly to: string
}

const FORM = /^(?<from>[0-9a-f]{40}|[0-9a-f]{64})\.\.(?<to>[0-9a-f]{40}|[0-9a-f]{64})$/u

export const formatRollback = ({ from, to }: Rollback): string => `${from}..${to}`

/** `undefined`: this says nothing of the kind. Short ids are not guessed at. */
export const parseRollback = (text: string): Rollback | undefined => {
  const { from = "", to = "" } = FORM.exec(text)?.groups ?? {}
  return from === to ? undefined : { from, to }
}

export const isSameRollback = (a: Rollback | undefined, b: Rollback | undefined): boolean =>
  a?.from === b?.from && a?.to === b?.to

/** What its annotation asks for; where that is not understood, neither commit may be applied. */
export const rollbackOf = (
  repository: GitRepository,
): Result.Result<Rollback | undefined, ConfigError> => {
  const { annotations, namespace, name } = repository.metadata
  const text = annotations?.[ANNOTATION_ROLLBACK]
  const rollback = parseRollback(text ?? "")
  if (text === undefined || rollback !== undefined) return Result.succeed(rollback)
  return Result.fail(
    new ConfigError({
      code: "NOPEA-C008",
      operation: "read GitRepository",
      subject: keyOf(repository),
      reason: `its annotation ${ANNOTATION_ROLLBACK} is not <commit to leave>..<commit to go back to>, with two full ids; until it is, nothing is synced`,
      fix: `nopea rollback ${name} -n ${namespace} writes it, nopea rollback ${name} -n ${namespace} --clear takes it away`,
      disposition: "stall",
    }),
  )
}
