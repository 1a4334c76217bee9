import { Redacted, Result } from "effect"
import { assert, describe, it } from "vitest"
import { credentialsOf } from "../../src/worker/secretKeys.ts"

const encode = (keys: Record<string, string>) =>
  Object.fromEntries(Object.entries(keys).map(([k, v]) => [k, Buffer.from(v).toString("base64")]))

const read = (keys: Record<string, string>) => credentialsOf("shop/git", encode(keys))

const right = (keys: Record<string, string>) => {
  const result = read(keys)
  assert.isTrue(Result.isSuccess(result))
  return Result.getOrThrow(result)
}

const reason = (keys: Record<string, string>) => {
  const result = read(keys)
  return Result.isFailure(result) ? `${result.failure.code} ${result.failure.reason}` : "accepted"
}

describe("credentials from a Secret", () => {
  it("takes the keys that Flux users have", () => {
    const basic = right({ username: "me", password: "s3cret\n" })
    assert.strictEqual(basic.username, "me")
    assert.strictEqual(Redacted.value(basic.password as Redacted.Redacted), "s3cret")
    const bearer = right({ bearerToken: " token " })
    assert.strictEqual(Redacted.value(bearer.bearerToken as Redacted.Redacted), "token")
    assert.strictEqual(right({ "ca.crt": "PEM" }).caCrt, "PEM")
  })

  it("says which keys are missing, and never a value", () => {
    assert.strictEqual(
      reason({ token: "hunter2" }),
      "NOPEA-C003 it has none of the keys NOPEA knows (it has: token)",
    )
    assert.strictEqual(reason({}), "NOPEA-C003 it has none of the keys NOPEA knows (it has: none)")
    assert.strictEqual(reason({ username: "me" }), "NOPEA-C003 it has username but no password")
  })

  it("takes a key only with the hosts that it may go to", () => {
    const identity = "-----BEGIN…"
    assert.strictEqual(
      reason({ identity, password: "p" }),
      "NOPEA-C003 it has identity but no known_hosts",
    )
    for (const known_hosts of ["", "\n", "# nobody yet\n"]) {
      assert.strictEqual(
        reason({ identity, known_hosts }),
        "NOPEA-C003 it has identity but no line in known_hosts",
      )
    }
    const both = right({ identity, known_hosts: "# ours\nexample.com x y\n", other: "x" })
    assert.strictEqual(both.knownHosts, "# ours\nexample.com x y\n")
    assert.notInclude(JSON.stringify(both), "BEGIN")
  })

  it("refuses a credential that could break out of its header line", () => {
    const broken = reason({ username: "me\r\nX-Evil: 1", password: "p" })
    assert.strictEqual(broken, "NOPEA-C003 a credential holds a line break or a NUL")
    assert.include(reason({ bearerToken: "a\nb" }), "line break")
  })

  it("prints as nothing readable", () => {
    const shown = JSON.stringify(right({ username: "me", password: "s3cret", bearerToken: "tok" }))
    assert.notInclude(shown, "s3cret")
    assert.notInclude(shown, 'tok"')
  })
})
