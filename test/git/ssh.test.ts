import { generateKeyPairSync } from "node:crypto"
import { Redacted } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { identityKind, keyFiles, sshEnvironment, sshLines, unfitForSsh } from "../../src/git/ssh.ts"
import { sshKey } from "../gitserver/sshKeys.ts"

const plain = sshKey()
const locked = sshKey({ passphrase: "phrase" })

/** The same key, whose header asks for other rounds: behind the salt of 16 bytes. */
const withRounds = (rounds: number): string => {
  const [, body = ""] = /KEY-----\n([\s\S]*)\n-----END/u.exec(locked.private) ?? []
  const bytes = Buffer.from(body, "base64")
  const salt = bytes.indexOf("bcrypt") + "bcrypt".length + 8
  bytes.writeUInt32BE(rounds, salt + 16)
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${bytes.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`
}

/** Encrypted as OpenSSL does; other rounds are written over its 2,048, in an integer of four bytes. */
const pkcs8 = (rounds?: number): string => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const cipher = "aes-256-cbc"
  const der = privateKey.export({ type: "pkcs8", format: "der", cipher, passphrase: "phrase" })
  const at = der.indexOf(Buffer.from("02020800", "hex"))
  const more = Buffer.alloc(6)
  more.writeUInt16BE(0x0204)
  more.writeUInt32BE(rounds ?? 0, 2)
  const all =
    rounds === undefined ? der : Buffer.concat([der.subarray(0, at), more, der.subarray(at + 4)])
  const body = all.toString("base64").replace(/(.{64})/gu, "$1\n")
  return `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${body}\n-----END ENCRYPTED PRIVATE KEY-----\n`
}

/** A foreign key's name around one that takes its time: ssh passes over the first and opens the second. */
const wrapped = (identity: string): string => {
  const foreign = "-----BEGIN FOO PRIVATE KEY-----\nAAAA\n-----END FOO PRIVATE KEY-----\n"
  return `${foreign}${identity}${foreign}`
}

/** By PKCS 12's derivation, of 2 ** 31 - 1 rounds; its salt reads like PBKDF2's head, of three. */
const disguised = (): string => {
  const salt = "06092a864886f70d01050c300d0408aaaaaaaaaaaaaaaa020103"
  const asked = `302204${(salt.length / 2).toString(16)}${salt}02047fffffff`
  const params = `30${(asked.length / 2 - 2).toString(16)}${asked.slice(4)}`
  const algorithm = `060a2a864886f70d010c0103${params}`
  const inner = `30${(algorithm.length / 2).toString(16)}${algorithm}0440${"01".repeat(64)}`
  const body = Buffer.from(`3081${(inner.length / 2).toString(16)}${inner}`, "hex")
  return `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${body.toString("base64")}\n-----END ENCRYPTED PRIVATE KEY-----\n`
}

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

  it.each([
    ["as ssh-keygen makes it", locked.private, undefined],
    ["of 1,000 rounds", withRounds(1000), undefined],
    ["of more", withRounds(1001), /1001 rounds of bcrypt .* more than 1000; .*ssh-keygen -p -a 16/],
    ["of all there are", withRounds(2 ** 32 - 1), /4294967295 rounds/],
    ["in PEM", sshKey({ type: "rsa", pem: true, passphrase: "phrase" }).private, undefined],
    ["in PKCS 8", pkcs8(), undefined],
    ["in PKCS 8 of many rounds", pkcs8(20_000_000), /20000000 rounds of PBKDF2/],
    [
      "in PKCS 8 of no known kind",
      pkcs8().replace(/\n.{40}/u, "\nAAAA"),
      /in a way that is not read/,
    ],
    ["behind another key", wrapped(pkcs8(20_000_000)), /identity is no private key/],
    ["whose salt looks like few rounds", disguised(), /in a way that is not read/],
    [
      "with something else than its text",
      pkcs8().replace(/\n/u, "\nX: MAAA\n\n"),
      /in a way that is not read/,
    ],
  ])("with an encrypted key %s are let be or refused", (_, identity, why) => {
    const unfit = unfitForSsh({
      identity: secret(identity),
      knownHosts: "x",
      password: secret("phrase"),
    })
    if (why === undefined) expect(unfit).toBeUndefined()
    else expect(unfit).toMatch(why)
  })

  it("of any bytes are judged without a fault", () => {
    const form = fc.constantFrom("OPENSSH ", "ENCRYPTED ")
    const tail = fc.uint8Array({ maxLength: 80 })
    fc.assert(
      fc.property(form, tail, (kind, some) => {
        const head =
          kind === "OPENSSH " ? "openssh-key-v1\0" : "\x06\x09*\x86H\x86\xf7\r\x01\x05\x0c"
        const body = Buffer.concat([Buffer.from(head, "latin1"), some]).toString("base64")
        const identity = `-----BEGIN ${kind}PRIVATE KEY-----\n${body}\n-----END ${kind}PRIVATE KEY-----`
        const given = { identity: secret(identity), knownHosts: "x", password: secret("p") }
        expect(["string", "undefined"]).toContain(typeof unfitForSsh(given))
      }),
    )
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
    [
      "fatal: write error: No space left on device\r\n",
      "remote: write error: No space left on device",
    ],
    ["sh: 1: ssh: not found\n", "fatal: sh: 1: ssh: not found"],
    ["", ""],
  ])("%j", (stderr, lines) => {
    expect(sshLines(stderr, "/data/keys/key-a")).toBe(lines)
  })
})
