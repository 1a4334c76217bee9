/** A Secret's keys, named as Flux users know them, decoded to Git credentials. No value ever leaves here unredacted. */
import { Redacted, Result } from "effect"
import { ConfigError } from "../domain/errors.ts"
import type { GitCredentials } from "../domain/source.ts"
import { type TrustedKey, trustedKeys } from "../git/signature.ts"

const decode = (value: unknown): string =>
  typeof value === "string" ? Buffer.from(value, "base64").toString("utf8") : ""

const fault = (secret: string, code: string, reason: string, fix: string): ConfigError =>
  new ConfigError({
    code,
    operation: "read credentials",
    subject: `Secret ${secret}`,
    reason,
    fix,
    disposition: "retry",
  })

/** An optional record entry: present only where the key is there. */
const secretKey = <K extends string>(name: K, text: string | undefined) =>
  text === undefined ? {} : ({ [name]: Redacted.make(text) } as Record<K, Redacted.Redacted>)

/** `secret` is `namespace/name`, for messages; `encoded` is the Secret's `data`. */
export const credentialsOf = (
  secret: string,
  encoded: Readonly<Record<string, unknown>>,
): Result.Result<GitCredentials, ConfigError> => {
  const keys = new Map<string, string>()
  for (const [key, value] of Object.entries(encoded)) keys.set(key, decode(value))
  const username = keys.get("username")?.trim()
  const password = keys.get("password")?.replace(/\r?\n$/u, "")
  const bearer = keys.get("bearerToken")?.trim()
  const identity = keys.get("identity")
  const knownHosts = keys.get("known_hosts")
  const caCrt = keys.get("ca.crt") ?? keys.get("caFile")
  if (username !== undefined && password === undefined && identity === undefined) {
    return Result.fail(
      fault(secret, "NOPEA-C003", "it has username but no password", "add the key password"),
    )
  }
  if (identity !== undefined && !/^[^#\s]/mu.test(knownHosts ?? "")) {
    const has = knownHosts === undefined ? "no known_hosts" : "no line in known_hosts"
    return Result.fail(
      fault(
        secret,
        "NOPEA-C003",
        `it has identity but ${has}`,
        "add the server's key as known_hosts: see ssh-keyscan in docs/git.md, and compare what it prints with what the server's owner says",
      ),
    )
  }
  if (bearer === undefined && password === undefined && identity === undefined && !caCrt) {
    return Result.fail(
      fault(
        secret,
        "NOPEA-C003",
        `it has none of the keys NOPEA knows (it has: ${[...keys.keys()].sort().join(", ") || "none"})`,
        "give it username and password, or bearerToken, or identity and known_hosts; and ca.crt where the server's certificate needs one",
      ),
    )
  }
  if (
    [username, password, bearer].some((value) => value !== undefined && /[\r\n\0]/u.test(value))
  ) {
    return Result.fail(
      fault(
        secret,
        "NOPEA-C003",
        "a credential holds a line break or a NUL",
        "store each credential as one line",
      ),
    )
  }
  return Result.succeed({
    ...(username === undefined ? {} : { username }),
    ...secretKey("password", password),
    ...secretKey("bearerToken", bearer),
    ...secretKey("identity", identity),
    ...(knownHosts === undefined ? {} : { knownHosts }),
    ...(caCrt ? { caCrt } : {}),
  })
}

/** Every value of the Secret of spec.verify holds public keys. */
export const trustedOf = (
  secret: string,
  encoded: Readonly<Record<string, unknown>>,
): Result.Result<ReadonlyArray<TrustedKey>, ConfigError> => {
  const values = Object.entries(encoded).map(([name, value]) => [name, decode(value)] as const)
  return Result.mapError(trustedKeys(Object.fromEntries(values)), (reason) =>
    fault(
      secret,
      "NOPEA-C007",
      reason,
      "let its values be SSH public keys, one a line: `ssh-ed25519 AAAA… name`, without options",
    ),
  )
}
