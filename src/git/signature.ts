/** Commits' SSH signatures: what was signed, by which key, and whether that key is trusted. */
import { createHash } from "node:crypto"
import { Result } from "effect"
import type { Fault } from "./failure.ts"

/** A trusted public key: its type, and its base64 as written in files. */
export interface TrustedKey {
  readonly type: string
  readonly key: string
}

const TYPE =
  /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)$/u
const MAX_KEYS = 1000

/** Length and text, as SSH writes both: https://datatracker.ietf.org/doc/html/rfc4251#section-5 */
export const fieldAt = (bytes: Buffer, at: number): Buffer | undefined => {
  if (bytes.length < at + 4) return undefined
  const end = at + 4 + bytes.readUInt32BE(at)
  return end > bytes.length ? undefined : bytes.subarray(at + 4, end)
}

/** A whole public key is its type and fields up to its end. */
const isKey = (bytes: Buffer, type: string): boolean => {
  if (fieldAt(bytes, 0)?.toString("latin1") !== type) return false
  let at = 0
  while (at < bytes.length) {
    const field = fieldAt(bytes, at)
    if (field === undefined) return false
    at += 4 + field.length
  }
  return true
}

/** A name that an allowed_signers file has before the key. An option says less than full trust: it is never dropped. */
const isName = (word: string): boolean =>
  !/["=]|^@/u.test(word) &&
  !word
    .split(",")
    .some((part) => /^(cert-authority|restrict|no-.*|(touch|verify)-required)$/u.test(part))

/** `type key comment`, or with the names before it that an allowed_signers file has; no options. */
const keyOf = (line: string): TrustedKey | undefined => {
  const [first = "", second = "", third = ""] = line.split(/\s+/u)
  const [type, key] = TYPE.test(first) ? [first, second] : [second, third]
  const isWritten = TYPE.test(type) && /^[A-Za-z0-9+/]+={0,2}$/u.test(key)
  if (!isWritten || !(TYPE.test(first) || isName(first))) return undefined
  return isKey(Buffer.from(key, "base64"), type) ? { type, key } : undefined
}

/** The keys in a Secret's values; the failure says where one is none. */
export const trustedKeys = (
  values: Readonly<Record<string, string>>,
): Result.Result<ReadonlyArray<TrustedKey>, string> => {
  const keys: TrustedKey[] = []
  for (const [name, text] of Object.entries(values)) {
    for (const [index, line] of text.split(/\r?\n/u).entries()) {
      if (/^\s*(#|$)/u.test(line)) continue
      const key = keyOf(line.trim())
      if (key === undefined) {
        return Result.fail(`line ${index + 1} of its key ${name} is no SSH public key`)
      }
      keys.push(key)
    }
  }
  if (keys.length === 0) return Result.fail("it holds no SSH public key")
  return keys.length > MAX_KEYS
    ? Result.fail(`it holds more than ${MAX_KEYS} keys`)
    : Result.succeed(keys)
}

/** Who ssh-keygen takes the signer for: one name for all keys. */
export const SIGNER = "trusted"

export const allowedSigners = (keys: ReadonlyArray<TrustedKey>): string =>
  keys.map(({ type, key }) => `${SIGNER} namespaces="git" ${type} ${key}\n`).join("")

export interface Signed {
  /** The commit without its signature. */
  readonly payload: Buffer
  /** In its armor. */
  readonly signature: string
}

type Refusal = readonly [Fault, string]

const HEADER = "gpgsig "
const ARMOR =
  /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n*$/u

const UNREAD: Readonly<Record<string, string>> = {
  PGP: "it is signed by PGP, and only SSH signatures are checked",
  SIGNED: "it is signed by X.509, and only SSH signatures are checked",
  SSH: "its SSH signature is broken",
}

/** A header goes on in lines that begin with a space: https://git-scm.com/docs/signature-format */
const headersOf = (head: string): ReadonlyArray<string> => head.split(/\n(?! )/u)

/** What is signed, byte by byte as git reads it. */
export const signedIn = (commit: Uint8Array): Result.Result<Signed, Refusal> => {
  const text = Buffer.from(commit).toString("latin1")
  const end = text.indexOf("\n\n")
  const headers = headersOf(end < 0 ? text : text.slice(0, end))
  const found = headers.filter((header) => header.startsWith("gpgsig"))
  const [only = ""] = found
  if (found.length === 0) return Result.fail(["unsigned", "it is not signed"])
  if (found.length > 1 || !only.startsWith(HEADER)) {
    return Result.fail(["unsigned", "it has no single signature that this version reads"])
  }
  const signature = only.slice(HEADER.length).replaceAll("\n ", "\n")
  if (!ARMOR.test(signature)) {
    const kind = /^-----BEGIN (PGP|SIGNED|SSH)/u.exec(signature)?.[1] ?? "unknown"
    return Result.fail(["unsigned", UNREAD[kind] ?? "its signature is of no kind that is known"])
  }
  const kept = headers.filter((header) => header !== only).join("\n")
  const payload = Buffer.from(kept + (end < 0 ? "" : text.slice(end)), "latin1")
  return Result.succeed({ payload, signature: `${signature.trimEnd()}\n` })
}

/** Behind the magic and a version: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig */
const keyIn = (signature: string): Buffer | undefined => {
  const bytes = Buffer.from(ARMOR.exec(signature)?.[1] ?? "", "base64")
  return bytes.toString("latin1", 0, 6) === "SSHSIG" ? fieldAt(bytes, 10) : undefined
}

/** As ssh-keygen -l shows it. */
const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/u, "")}`

/** Why nobody has to look at the signature itself: the key that it names is not trusted. */
export const untrusted = (
  { signature }: Signed,
  keys: ReadonlyArray<TrustedKey>,
): Refusal | undefined => {
  const signer = keyIn(signature)
  if (signer === undefined) return ["unsigned", "its SSH signature is broken"]
  if (keys.some(({ key }) => Buffer.from(key, "base64").equals(signer))) return undefined
  return ["untrusted", `it is signed by ${fingerprint(signer)}, which is not trusted`]
}
