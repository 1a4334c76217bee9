/** Reads a GitRepository's Git credentials from its Secret; kept until they stop working. */
import { Context, Effect, Layer } from "effect"
import { ConfigError, type KubeError } from "../domain/errors.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import type { GitCredentials, GitSource } from "../domain/source.ts"
import type { TrustedKey } from "../git/signature.ts"
import { Kube, type ResourceType } from "../kube/Kube.ts"
import { credentialsOf, trustedOf } from "./secretKeys.ts"

/** How Secrets are spoken to; the verbs are those that the worker uses. */
export const SECRETS: ResourceType = {
  group: "",
  version: "v1",
  kind: "Secret",
  resource: "secrets",
  namespaced: true,
  verbs: ["get", "create"],
}

const MAX_KEPT = 10_000

export class Credentials extends Context.Service<
  Credentials,
  {
    /** `renew` reads the Secret again: after a refusal, a new spec, or a person's request. */
    readonly source: (
      repository: GitRepository,
      renew: boolean,
    ) => Effect.Effect<GitSource, ConfigError | KubeError>
    /** The keys that spec.verify trusts, as its Secret has them now. */
    readonly trusted: (
      repository: GitRepository,
    ) => Effect.Effect<ReadonlyArray<TrustedKey>, ConfigError | KubeError>
  }
>()("nopea/worker/Credentials") {
  static readonly layer: Layer.Layer<Credentials, never, Kube> = Layer.effect(
    Credentials,
    Effect.gen(function* () {
      const kube = yield* Kube
      const kept = new Map<string, GitCredentials>()

      const read = Effect.fnUntraced(function* (
        repository: GitRepository,
        name: string,
        field: string,
      ) {
        const { namespace } = repository.metadata
        const secret = yield* kube
          .get({ budget: keyOf(repository) }, SECRETS, { namespace, name })
          .pipe(
            Effect.catchIf(
              (error) => error.status === 404,
              () => missing(namespace, name, field),
            ),
          )
        const encoded = (secret["data"] ?? {}) as Readonly<Record<string, unknown>>
        return { subject: `${namespace}/${name}`, encoded }
      })

      const readCredentials = Effect.fnUntraced(function* (
        repository: GitRepository,
        name: string,
      ) {
        const { subject, encoded } = yield* read(repository, name, "spec.secretRef")
        return yield* Effect.fromResult(credentialsOf(subject, encoded))
      })

      return Credentials.of({
        trusted: Effect.fn("Credentials.trusted")(function* (repository) {
          const { verify } = repository.spec
          if (verify === undefined) return []
          const { name } = verify.secretRef
          const { subject, encoded } = yield* read(repository, name, "spec.verify.secretRef")
          return yield* Effect.fromResult(trustedOf(subject, encoded))
        }),

        source: Effect.fn("Credentials.source")(function* (repository, renew) {
          const { url, branch, ref, secretRef } = repository.spec
          const followed = { url, branch, ...(ref === undefined ? {} : { ref }) }
          if (secretRef === undefined) return { ...followed, credentials: {} }
          const slot = `${keyOf(repository)} ${repository.metadata.uid} ${secretRef.name}`
          const known = renew ? undefined : kept.get(slot)
          const credentials = known ?? (yield* readCredentials(repository, secretRef.name))
          if (kept.size >= MAX_KEPT) kept.clear()
          kept.set(slot, credentials)
          return { ...followed, credentials }
        }),
      })
    }),
  )
}

const missing = (
  namespace: string,
  name: string,
  field: string,
): Effect.Effect<never, ConfigError> =>
  Effect.fail(
    new ConfigError({
      code: "NOPEA-C002",
      operation: "read credentials",
      subject: `Secret ${namespace}/${name}`,
      reason: "it does not exist",
      fix: `create it in the namespace ${namespace}, or correct ${field}.name`,
      disposition: "retry",
    }),
  )
