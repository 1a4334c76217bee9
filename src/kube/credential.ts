/** What a source of credentials gives, whichever it is. */
import type { Effect, Redacted } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { WebProxy } from "../domain/proxy.ts"

/** PEM texts; absent: the system's authorities, no client certificate. */
export interface Tls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: Redacted.Redacted
  readonly servername?: string
  /** A kubeconfig's insecure-skip-tls-verify; never set by anything else. */
  readonly rejectUnauthorized?: false
}

export interface Identity {
  /** Value of the Authorization header. */
  readonly authorization?: Redacted.Redacted
  readonly tls: Tls
}

/** What a source of credentials gives: an identity, and until when (epoch milliseconds) it need not be read again. */
export interface Credential {
  readonly identity: Identity
  readonly until: number
}

export interface Source {
  readonly server: string
  /** Between us and the server; a pod's service account knows none. */
  readonly proxy?: WebProxy
  /** Where a person works who names none; absent: the source says nothing. */
  readonly namespace?: string
  readonly read: Effect.Effect<Credential, KubeError>
}

/** How long a file's content is trusted. */
export const FRESH = 60_000
