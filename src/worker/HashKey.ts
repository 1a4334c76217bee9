/**
 * The key of the HMAC that stands for Secrets in `nopea.io/applied`: the Secret `nopea-hash-key` in the
 * controller's namespace, created once. Where it cannot be kept, a key of this process serves: after a
 * restart every Secret is applied once more.
 */
import { randomBytes } from "node:crypto"
import { Context, Duration, Effect, Exit, Layer, Redacted } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { KubeObject } from "../domain/object.ts"
import { type Caller, Kube } from "../kube/Kube.ts"
import { SECRETS } from "./Credentials.ts"

const NAME = "nopea-hash-key"
const BYTES = 32
const CONTROLLER: Caller = { budget: "controller" }

export class HashKey extends Context.Service<
  HashKey,
  {
    /** Read or made at first use, then kept; fails only while the API server cannot answer. */
    readonly get: Effect.Effect<Redacted.Redacted<Uint8Array>, KubeError>
  }
>()("nopea/worker/HashKey") {}

const keyIn = (secret: KubeObject): Uint8Array | undefined => {
  const encoded = (secret["data"] as Readonly<Record<string, unknown>> | undefined)?.["key"]
  const bytes = Buffer.from(typeof encoded === "string" ? encoded : "", "base64")
  return bytes.length >= BYTES ? new Uint8Array(bytes) : undefined
}

const newSecret = (namespace: string, key: Uint8Array): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: NAME, namespace, labels: { "app.kubernetes.io/part-of": "nopea" } },
  type: "Opaque",
  data: { key: Buffer.from(key).toString("base64") },
})

/** `namespace` is the controller's own. */
export const layer = (namespace: string): Layer.Layer<HashKey, never, Kube> =>
  Layer.effect(
    HashKey,
    Effect.gen(function* () {
      const kube = yield* Kube
      const read = kube.get(CONTROLLER, SECRETS, { namespace, name: NAME })
      const create = Effect.suspend(() =>
        kube.create(CONTROLLER, SECRETS, namespace, newSecret(namespace, randomBytes(BYTES))),
      )
      const kept = read.pipe(
        Effect.catchIf(
          (error) => error.status === 404,
          () =>
            Effect.catchIf(
              create,
              (error) => error.status === 409,
              () => read,
            ),
        ),
        Effect.map(keyIn),
        Effect.catchIf(
          (error) => error.status === 403 || error.status === 404,
          () => Effect.succeed(undefined),
        ),
        Effect.flatMap((key) => (key === undefined ? ownKey(namespace) : Effect.succeed(key))),
        Effect.map((key) => Redacted.make(key, { label: NAME })),
      )
      const forever = (exit: Exit.Exit<unknown, unknown>) =>
        Exit.isSuccess(exit) ? Duration.infinity : Duration.zero
      return HashKey.of({ get: yield* Effect.cachedWithTTL(kept, forever) })
    }),
  )

const ownKey = (namespace: string): Effect.Effect<Uint8Array> =>
  Effect.logWarning(
    "the hash key cannot be kept: Secrets will be applied once more after a restart",
  ).pipe(
    Effect.annotateLogs({ secret: `${namespace}/${NAME}` }),
    Effect.map(() => new Uint8Array(randomBytes(BYTES))),
  )
