/** SSH as git uses it: the client's whole configuration, what an identity is, and what a refusal means. */
import { Redacted } from "effect"
import type { GitCredentials } from "../domain/source.ts"

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

/** Added to the environment of git, ssh and ssh-keygen. */
export const sshEnvironment = (folder: string): Readonly<Record<string, string>> => ({
  [FOLDER_VARIABLE]: folder,
  GIT_SSH_COMMAND: `ssh -F "$${FOLDER_VARIABLE}/${FILES.config}"`,
  GIT_SSH_VARIANT: "ssh",
  SSH_ASKPASS: `${folder}/${FILES.askPass}`,
  SSH_ASKPASS_REQUIRE: "force",
})

export type IdentityKind = "plain" | "encrypted" | "publicKey" | "putty" | "malformed"

const ARMOR = /^-----BEGIN ([A-Z ]*)PRIVATE KEY-----\n([\s\S]+)\n-----END \1PRIVATE KEY-----$/u
const MAGIC = "openssh-key-v1\0"

/** The first field behind the magic names the cipher: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key */
const cipherOf = (body: string): string | undefined => {
  const bytes = Buffer.from(body.replace(/\s/gu, ""), "base64")
  if (bytes.toString("latin1", 0, MAGIC.length) !== MAGIC) return undefined
  if (bytes.length < MAGIC.length + 4) return undefined
  const start = MAGIC.length + 4
  const length = bytes.readUInt32BE(MAGIC.length)
  return length > 64 ? undefined : bytes.toString("latin1", start, start + length)
}

/** What the Secret's key `identity` holds, by its outer form; whether it is sound is for ssh to say. */
export const identityKind = (identity: string): IdentityKind => {
  const text = asFile(identity).trimEnd()
  if (/^(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/]/u.test(text)) return "publicKey"
  if (text.startsWith("PuTTY-User-Key-File-")) return "putty"
  const [, kind, body = ""] = ARMOR.exec(text) ?? []
  if (kind === undefined) return "malformed"
  if (kind === "OPENSSH ") {
    const cipher = cipherOf(body)
    if (cipher === undefined) return "malformed"
    return cipher === "none" ? "plain" : "encrypted"
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
      : undefined
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
  /host key|^\S+: Permission denied|^ssh: |^Connection |^kex_|^Unable to negotiate|^Load key|^ERROR: |timed out|^fatal: remote error/iu
/** Drawn around what matters, or about files that are gone by then. */
const ORNAMENT =
  /^@|^fatal: Could not read|^It is also possible|^Add correct|Offending|remove with/iu

/** The lines of ssh that say why; git's own say only that it ended. `folder`, of files that are gone by then, is not shown. */
export const sshLines = (stderr: string, folder: string): string => {
  const lines = stderr
    .replaceAll(`${folder}/`, "")
    .split(/\r?\n/u)
    .filter((line) => TELLING.test(line) && !ORNAMENT.test(line))
    .map((line) => `fatal: ${line.replace(/^fatal: /u, "")}`)
  return lines.length === 0 ? stderr : lines.slice(-4).join("\n")
}
