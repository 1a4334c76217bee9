/** SSH as git uses it: the client's whole configuration, what an identity is, and what a refusal means. */
import { Redacted } from "effect"
import type { GitCredentials } from "../domain/source.ts"
import { fieldAt } from "./signature.ts"

/** Files of one conversation, in a folder of its own. */
export const FILES = {
  config: "config",
  identity: "identity",
  knownHosts: "known_hosts",
  passphrase: "passphrase",
  askPass: "askpass",
} as const

/** Where that folder is: ssh and the shell read it from their environment, so that no path has to be quoted. */
export const FOLDER_VARIABLE = "NOPEA_SSH"

/** Answers every question with the passphrase; ssh asks no other, because host keys are never asked about. */
const ASK_PASS = `#!/bin/sh\nexec cat "$${FOLDER_VARIABLE}/${FILES.passphrase}"\n`

/** Nothing of the machine's or a user's: one key, the hosts that are named, and no agent, tunnel or question. */
const configOf = (mayAsk: boolean): string =>
  [
    "Host *",
    `IdentityFile \${${FOLDER_VARIABLE}}/${FILES.identity}`,
    `UserKnownHostsFile \${${FOLDER_VARIABLE}}/${FILES.knownHosts}`,
    "GlobalKnownHostsFile /dev/null",
    "StrictHostKeyChecking yes",
    "UpdateHostKeys no",
    "CheckHostIP no",
    "VerifyHostKeyDNS no",
    "IdentitiesOnly yes",
    "IdentityAgent none",
    "AddKeysToAgent no",
    "PreferredAuthentications publickey",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    // What git asks for the passphrase is not asked in batch mode.
    `BatchMode ${mayAsk ? "no" : "yes"}`,
    "NumberOfPasswordPrompts 1",
    "ConnectTimeout 20",
    "ConnectionAttempts 1",
    "ServerAliveInterval 15",
    "ServerAliveCountMax 3",
    "ControlMaster no",
    "ControlPath none",
    "ClearAllForwardings yes",
    "ForwardAgent no",
    "ForwardX11 no",
    "PermitLocalCommand no",
    "ProxyCommand none",
    "RequestTTY no",
    "LogLevel ERROR",
    "",
  ].join("\n")

export interface KeyFile {
  readonly name: string
  readonly text: string
  readonly mode: number
}

/** OpenSSH wants one line end of one kind after the last line too. */
const asFile = (text: string): string => `${text.replace(/\r\n?/gu, "\n").trim()}\n`

/** What a conversation with these credentials needs on disk. */
export const keyFiles = (credentials: GitCredentials): ReadonlyArray<KeyFile> => {
  const { identity, knownHosts, password } = credentials
  const file = (name: string, text: string, mode = 0o600): KeyFile => ({ name, text, mode })
  return [
    file(FILES.config, configOf(password !== undefined)),
    file(FILES.identity, asFile(identity === undefined ? "" : Redacted.value(identity))),
    file(FILES.knownHosts, asFile(knownHosts ?? "")),
    ...(password === undefined
      ? []
      : [
          file(FILES.passphrase, `${Redacted.value(password)}\n`),
          file(FILES.askPass, ASK_PASS, 0o700),
        ]),
  ]
}

/**
 * Added to the environment of git, ssh and ssh-keygen. What ssh says, and the server through it, goes to descriptor 3:
 * beside git's own words a server's full disk would be ours.
 */
export const sshEnvironment = (folder: string): Readonly<Record<string, string>> => ({
  [FOLDER_VARIABLE]: folder,
  GIT_SSH_COMMAND: `ssh -F "$${FOLDER_VARIABLE}/${FILES.config}" 2>&3`,
  GIT_SSH_VARIANT: "ssh",
  SSH_ASKPASS: `${folder}/${FILES.askPass}`,
  SSH_ASKPASS_REQUIRE: "force",
})

export type IdentityKind = "plain" | "encrypted" | "publicKey" | "putty" | "malformed"

/** One key: ssh passes over what it does not know, and would open the next. */
const ARMOR =
  /^-----BEGIN ([A-Z ]*)PRIVATE KEY-----\n((?:(?!-----)[\s\S])+)\n-----END \1PRIVATE KEY-----$/u
const MAGIC = "openssh-key-v1\0"

interface KeyHead {
  readonly cipher: string
  /** Of bcrypt, for a key by its passphrase. */
  readonly rounds: number
}

/** Behind the magic the names of cipher and key derivation, and its salt and rounds: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key */
const headOf = (body: string): KeyHead | undefined => {
  const bytes = Buffer.from(body.replace(/\s/gu, ""), "base64")
  if (bytes.toString("latin1", 0, MAGIC.length) !== MAGIC) return undefined
  const cipher = fieldAt(bytes, MAGIC.length)
  if (cipher === undefined || cipher.length > 64) return undefined
  const kdf = MAGIC.length + 4 + cipher.length
  const options = fieldAt(bytes, kdf + 4 + (fieldAt(bytes, kdf)?.length ?? 0)) ?? Buffer.alloc(0)
  const at = 4 + (fieldAt(options, 0)?.length ?? 0)
  const rounds = options.length >= at + 4 ? options.readUInt32BE(at) : 0
  return { cipher: cipher.toString("latin1"), rounds }
}

/**
 * From the first byte to the number of rounds, and nothing else: sequences, `pkcs5PBES2`, `pkcs5PBKDF2`, its salt, each
 * length where it may be longer than a byte. What only looks so further on, in a salt, is not read:
 * https://www.rfc-editor.org/rfc/rfc8018#appendix-A.2
 */
const PKCS8 =
  /^(?:30(?:[0-7].|81..|82....)){2}06092a864886f70d01050d(?:30(?:[0-7].|81..|82....)){2}06092a864886f70d01050c30(?:[0-7].|81..)04([0-7].)(.*)$/u

/** Of an encrypted key in PKCS 8; undefined where they cannot be told. */
const pkcs8Rounds = (body: string): number | undefined => {
  if (!/^[A-Za-z0-9+/\n]+=*\n*$/u.test(body)) return undefined
  const [, salt = "", rest = ""] = PKCS8.exec(Buffer.from(body, "base64").toString("hex")) ?? []
  const [, length = "", digits = ""] =
    /^02(0[1-6])(.*)$/u.exec(rest.slice(Number.parseInt(salt, 16) * 2)) ?? []
  const rounds = digits.slice(0, Number(length) * 2)
  return length !== "" && rounds.length === Number(length) * 2
    ? Number.parseInt(rounds, 16)
    : undefined
}

/** Whoever opens a key holds one of the host's places meanwhile: a second or some, and not for as long as somebody likes. */
const MAX_BCRYPT = 1000
const MAX_PBKDF2 = 10_000_000

/** Why a key takes too long to open. */
const slowness = (identity: string): string | undefined => {
  const [, kind, body = ""] = ARMOR.exec(asFile(identity).trimEnd()) ?? []
  const again = "encrypt it anew with ssh-keygen -p -a 16"
  const rounds = kind === "OPENSSH " ? (headOf(body)?.rounds ?? 0) : 0
  if (rounds > MAX_BCRYPT) {
    return `identity takes ${rounds} rounds of bcrypt to open, more than ${MAX_BCRYPT}; ${again}`
  }
  if (kind !== "ENCRYPTED ") return undefined
  const others = pkcs8Rounds(body)
  if (others === undefined) return `identity is encrypted in a way that is not read; ${again}`
  return others > MAX_PBKDF2
    ? `identity takes ${others} rounds of PBKDF2 to open, more than ${MAX_PBKDF2}; ${again}`
    : undefined
}

/** What the Secret's key `identity` holds, by its outer form; whether it is sound is for ssh to say. */
export const identityKind = (identity: string): IdentityKind => {
  const text = asFile(identity).trimEnd()
  if (/^(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/]/u.test(text)) return "publicKey"
  if (text.startsWith("PuTTY-User-Key-File-")) return "putty"
  const [, kind, body = ""] = ARMOR.exec(text) ?? []
  if (kind === undefined) return "malformed"
  if (kind === "OPENSSH ") {
    const head = headOf(body)
    if (head === undefined) return "malformed"
    return head.cipher === "none" ? "plain" : "encrypted"
  }
  return kind === "ENCRYPTED " || /^Proc-Type: 4,ENCRYPTED$/mu.test(body) ? "encrypted" : "plain"
}

const WRONG: Readonly<Record<Exclude<IdentityKind, "plain" | "encrypted">, string>> = {
  publicKey: "identity holds a public key, where the private one belongs",
  putty: "identity is a key of PuTTY; export it in the format of OpenSSH",
  malformed: "identity is no private key (-----BEGIN … PRIVATE KEY----- to -----END …)",
}

/** Why these credentials cannot open an SSH URL. */
export const unfitForSsh = ({
  identity,
  knownHosts,
  password,
}: GitCredentials): string | undefined => {
  if (identity === undefined) return "an SSH URL needs the key identity in the Secret"
  if (knownHosts === undefined) return "an SSH URL needs the key known_hosts in the Secret"
  const kind = identityKind(Redacted.value(identity))
  if (kind === "encrypted") {
    return password === undefined
      ? "identity is encrypted, and the Secret has no password to open it"
      : slowness(Redacted.value(identity))
  }
  return kind === "plain" ? undefined : WRONG[kind]
}

/** Whether a refusal may be the passphrase's fault, which ssh does not say. */
export const mayBePassphrase = (stderr: string, { identity, password }: GitCredentials): boolean =>
  /permission denied \(/iu.test(stderr) &&
  identity !== undefined &&
  password !== undefined &&
  identityKind(Redacted.value(identity)) === "encrypted"

const TELLING =
  /host key|^\S+: Permission denied|^ssh: |^Connection |^kex_|^Unable to negotiate|^Load key|^ERROR: |timed out|ssh: not found|^fatal: remote error/iu
/** Drawn around what matters, or about files that are gone by then. */
const ORNAMENT =
  /^@|^fatal: Could not read|^It is also possible|^Add correct|Offending|remove with/iu

/** The lines of ssh that say why, or what the server says else. `folder`, of files that are gone by then, is not shown. */
export const sshLines = (said: string, folder: string): string => {
  const lines = said
    .replaceAll(`${folder}/`, "")
    .split(/\r?\n/u)
    .filter((line) => line.trim() !== "" && !ORNAMENT.test(line))
  const telling = lines.filter((line) => TELLING.test(line))
  const shown = telling.length > 0 ? telling : lines
  const by = telling.length > 0 ? "fatal" : "remote"
  return shown
    .slice(-4)
    .map((line) => `${by}: ${line.replace(/^(fatal|remote): /u, "")}`)
    .join("\n")
}
