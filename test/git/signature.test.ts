import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { allowedSigners, signedIn, trustedKeys } from "../../src/git/signature.ts"
import { sshKey } from "../gitserver/sshKeys.ts"

const keys = (["ed25519", "rsa", "ecdsa"] as const).map((type) => sshKey({ type }).public)
const [first = ""] = keys
const [type = "", base64 = ""] = first.split(" ")

const said = (values: Readonly<Record<string, string>>): unknown => {
  const result = trustedKeys(values)
  return Result.isFailure(result) ? result.failure : result.success.length
}

describe("trusted keys", () => {
  it.each([
    ["one of each kind", { a: keys.join("\n") }, 3],
    ["several values", { a: first, b: keys.join("\r\n") }, 4],
    ["comments and empty lines", { a: `# team\n\n${first}\n  # end` }, 1],
    ["a line of an allowed_signers file", { a: `ann@example.com ${type} ${base64}` }, 1],
    ["no key", {}, "it holds no SSH public key"],
    ["comments alone", { a: "# team\n" }, "it holds no SSH public key"],
    ["a word", { a: `${first}\nhunter2` }, "line 2 of its key a is no SSH public key"],
    ["a private key", { a: sshKey().private }, "line 1 of its key a is no SSH public key"],
    ["half a key", { a: first.slice(0, 40) }, "line 1 of its key a is no SSH public key"],
    [
      "a kind over another's key",
      { a: `ssh-rsa ${base64}` },
      "line 1 of its key a is no SSH public key",
    ],
    [
      "options, which would be ignored",
      { a: `ann namespaces="file" ${first}` },
      "line 1 of its key a is no SSH public key",
    ],
    ["an authority", { a: `cert-authority ${first}` }, "line 1 of its key a is no SSH public key"],
  ])("%s", (_, values, expected) => {
    expect(said(values as unknown as Readonly<Record<string, string>>)).toEqual(expected)
  })

  it.each([
    'expiry-time="20250101"',
    'namespaces="file"',
    "cert-authority,ann@example.com",
    "@revoked",
    "restrict",
  ])("refuse the option %s instead of trusting without it", (option) => {
    expect(said({ a: `${option} ${first}` })).toBe("line 1 of its key a is no SSH public key")
  })

  it("become lines that name no option of the Secret's", () => {
    const [key] = Result.getOrThrow(trustedKeys({ a: first }))
    expect(allowedSigners(key === undefined ? [] : [key])).toBe(
      `trusted namespaces="git" ${type} ${base64}\n`,
    )
  })

  it("are told from any text without a fault", () => {
    fc.assert(fc.property(fc.string(), (text) => said({ a: text }) !== undefined))
  })
})

const SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"
const header = (name: string, text: string) => `${name} ${text.replaceAll("\n", "\n ")}\n`
const HEAD = `tree ${"1".repeat(40)}\nauthor A <a@example.com> 1 +0000\n`
const REST = "committer A <a@example.com> 1 +0000\n\nmessage\n\ngpgsig of nobody\n"

const outcome = (text: string): unknown => {
  const result = signedIn(Buffer.from(text, "latin1"))
  return Result.isFailure(result) ? result.failure[1] : result.success.payload.toString("latin1")
}

describe("what a commit's signature is about", () => {
  it("is the commit without it, byte by byte, wherever its header is", () => {
    const message = fc
      .string({ unit: "binary" })
      .map((text) => Buffer.from(text).toString("latin1"))
    fc.assert(
      fc.property(message, fc.boolean(), (text, isEarly) => {
        const signature = header("gpgsig", SIGNATURE)
        const [before, after] = isEarly
          ? [HEAD, REST]
          : [`${HEAD}${REST.split("\n")[0]}\n`, `\n${text}`]
        return outcome(before + signature + after) === before + after
      }),
    )
  })

  it("keeps a merged tag's own signature", () => {
    const tag = header("mergetag", `object 1\n\n${header("gpgsig", SIGNATURE)}x`)
    expect(outcome(HEAD + tag + header("gpgsig", SIGNATURE) + REST)).toBe(HEAD + tag + REST)
  })

  it.each([
    ["none", "", "it is not signed"],
    [
      "PGP's",
      header("gpgsig", "-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----"),
      "it is signed by PGP, and only SSH signatures are checked",
    ],
    [
      "two",
      header("gpgsig", SIGNATURE).repeat(2),
      "it has no single signature that this version reads",
    ],
    [
      "that of another hash",
      header("gpgsig-sha256", SIGNATURE),
      "it has no single signature that this version reads",
    ],
    ["broken", header("gpgsig", SIGNATURE.slice(0, 40)), "its SSH signature is broken"],
    [
      "another after it",
      header("gpgsig", `${SIGNATURE}\n${SIGNATURE}`),
      "its SSH signature is broken",
    ],
  ])("%s is refused", (_, signature, reason) => {
    expect(outcome(HEAD + signature + REST)).toBe(reason)
  })
})
