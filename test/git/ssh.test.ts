import { Redacted } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { identityKind, keyFiles, sshEnvironment, sshLines, unfitForSsh } from "../../src/git/ssh.ts"
import { sshKey } from "../gitserver/sshKeys.ts"

const plain = sshKey()
const locked = sshKey({ passphrase: "phrase" })

describe("what an identity is", () => {
  it.each([
    ["OpenSSH's form", plain.private, "plain"],
    ["encrypted", locked.private, "encrypted"],
    ["PEM", sshKey({ type: "ecdsa", pem: true }).private, "plain"],
    [
      "PEM, encrypted",
      sshKey({ type: "rsa", pem: true, passphrase: "phrase" }).private,
      "encrypted",
    ],
    [
      "PKCS 8, encrypted",
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
      "encrypted",
    ],
    ["a public key", plain.public, "publicKey"],
    ["PuTTY's", "PuTTY-User-Key-File-3: ssh-ed25519\n", "putty"],
    ["empty", "", "malformed"],
    ["nonsense", "hunter2", "malformed"],
    ["a head alone", plain.private.split("\n")[0] ?? "", "malformed"],
    ["a head over nonsense", plain.private.replace(/b3Bl/u, "AAAA"), "malformed"],
    ["a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "malformed"],
    [
      "two kinds",
      "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----",
      "malformed",
    ],
  ])("%s", (_, text, kind) => {
    expect(identityKind(text)).toBe(kind)
    expect(identityKind(`\r\n${text.replaceAll("\n", "\r\n")}`)).toBe(kind)
  })

  it("is said of any text without a fault", () => {
    const body = fc
      .string()
      .map(
        (text) =>
          `-----BEGIN OPENSSH PRIVATE KEY-----\n${btoa(encodeURI(text))}\n-----END OPENSSH PRIVATE KEY-----`,
      )
    fc.assert(fc.property(fc.oneof(fc.string(), body), (text) => identityKind(text) !== undefined))
  })
})

describe("credentials for SSH", () => {
  const secret = (text: string) => Redacted.make(text)
  it("are a key and known hosts, and a passphrase where the key is encrypted", () => {
    const knownHosts = "example.com ssh-ed25519 AAAA"
    expect(unfitForSsh({ identity: secret(plain.private), knownHosts })).toBeUndefined()
    expect(unfitForSsh({ identity: secret(plain.private) })).toContain("known_hosts")
    expect(unfitForSsh({ knownHosts })).toContain("identity")
    const encrypted = { identity: secret(locked.private), knownHosts }
    expect(unfitForSsh(encrypted)).toContain("no password")
    expect(unfitForSsh({ ...encrypted, password: secret("any") })).toBeUndefined()
  })

  it("become files: the passphrase's only where there is one", () => {
    const files = (credentials: object) => keyFiles(credentials).map(({ name }) => name)
    const without = { identity: secret(plain.private), knownHosts: "x" }
    expect(files(without)).toEqual(["config", "identity", "known_hosts"])
    const all = { ...without, password: secret("phrase") }
    expect(files(all)).toEqual(["config", "identity", "known_hosts", "passphrase", "askpass"])
  })

  it("are nowhere in the environment", () => {
    expect(Object.values(sshEnvironment("/data/keys/a")).join("\n")).not.toMatch(/PRIVATE|phrase/)
  })
})

describe("what ssh says", () => {
  it.each([
    [
      "git@example.com: Permission denied (publickey).\r\nfatal: Could not read from remote repository.\n\nPlease make sure",
      "fatal: git@example.com: Permission denied (publickey).",
    ],
    [
      'Load key "/data/keys/key-a/identity": invalid format\nx',
      'fatal: Load key "identity": invalid format',
    ],
    [
      "No ED25519 host key is known for example.com and you have requested strict checking.\r\nHost key verification failed.\r\n",
      "fatal: No ED25519 host key is known for example.com and you have requested strict checking.\nfatal: Host key verification failed.",
    ],
    ["fatal: something of git's own", "fatal: something of git's own"],
  ])("%j", (stderr, lines) => {
    expect(sshLines(stderr, "/data/keys/key-a")).toBe(lines)
  })
})
