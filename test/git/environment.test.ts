import { Redacted, Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { proxyFor, type Variables, type WebProxy } from "../../src/domain/proxy.ts"
import {
  authorization,
  isUsable,
  localEnvironment,
  networkEnvironment,
  secretsOf,
} from "../../src/git/environment.ts"

const places = { home: "/data/home", configFile: "/data/gitconfig" }
const remote = {
  url: "https://example.com/a",
  scheme: "https" as const,
  origin: "https://example.com",
}

describe("the environment", () => {
  it("keeps the search path, and nothing else of the parent's", () => {
    const parent = {
      PATH: "/bin",
      HTTPS_PROXY: "http://proxy",
      no_proxy: "x",
      HOME: "/root",
      GIT_SSH_COMMAND: "evil",
      GIT_CONFIG_COUNT: "1",
      GIT_DIR: "/x",
      GIT_TRACE: "1",
      AWS_SECRET_ACCESS_KEY: "s",
    }
    const env = localEnvironment(parent, places)
    expect(Object.keys(env).filter((name) => name in parent)).toEqual(["PATH", "HOME"])
    expect(env).toMatchObject({
      HOME: "/data/home",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/data/gitconfig",
      GIT_TERMINAL_PROMPT: "0",
      GIT_ALLOW_PROTOCOL: "",
      GIT_NO_LAZY_FETCH: "1",
    })
  })

  it("allows a server only what its URL names, and follows redirects only without credentials", () => {
    const env = (credentials: object) =>
      networkEnvironment({ remote, credentials, caFile: undefined, parent: {} }, [])
    expect(env({})["GIT_ALLOW_PROTOCOL"]).toBe("http:https")
    expect(Object.values(env({}))).toContain("initial")
    const withToken = Object.values(env({ bearerToken: Redacted.make("token") }))
    expect(withToken).toContain("http.https://example.com/.extraHeader")
    expect(withToken).toContain("Authorization: Bearer token")
    expect(withToken).not.toContain("initial")
  })
})

describe("to a server", () => {
  const env = (parent: Variables, more: { caFile?: string; proxy?: WebProxy } = {}) =>
    networkEnvironment({ remote, credentials: {}, caFile: undefined, parent, ...more }, [])

  it("the proxy that was found goes along, alone, and none where none was found", () => {
    const parent = { HTTPS_PROXY: "http://u:p@proxy:3128", NO_PROXY: "x", all_proxy: "y" }
    const proxy = Result.getOrThrow(proxyFor(new URL(remote.url), parent))
    const told = env(parent, proxy === undefined ? {} : { proxy })
    expect(Object.entries(told).filter(([name]) => /proxy/iu.test(name))).toEqual([
      ["http_proxy", "http://u:p@proxy:3128"],
      ["https_proxy", "http://u:p@proxy:3128"],
      ["no_proxy", ""],
    ])
    expect(Object.keys(env(parent)).filter((name) => /proxy/iu.test(name))).toEqual([])
  })

  it.each([
    [{}, undefined],
    [{ SSL_CERT_FILE: "/all.pem" }, "/all.pem"],
    [{ SSL_CERT_FILE: "/all.pem", GIT_SSL_CAINFO: "/git.pem" }, "/git.pem"],
    [{ SSL_CERT_FILE: "/all.pem", GIT_SSL_CAINFO: "" }, "/all.pem"],
  ])("%j trusts %s, and a Secret's authority goes before it", (parent, file) => {
    expect(env(parent)["GIT_SSL_CAINFO"]).toBe(file)
    const own = env({ ...parent, GIT_SSL_CAPATH: "/certs" }, { caFile: "/mirror.ca" })
    expect([own["GIT_SSL_CAINFO"], own["GIT_SSL_CAPATH"]]).toEqual(["/mirror.ca", undefined])
  })
})

describe("credentials", () => {
  it("a bearer token goes before a password", () => {
    const both = { password: Redacted.make("p"), bearerToken: Redacted.make("t") }
    expect(authorization(both)).toBe("Bearer t")
    expect(authorization({ username: "ä", password: Redacted.make("p:q") })).toBe(
      `Basic ${Buffer.from("ä:p:q").toString("base64")}`,
    )
    expect(authorization({ caCrt: "PEM" })).toBeUndefined()
    const key = { identity: Redacted.make("key"), password: Redacted.make("its passphrase") }
    expect(authorization(key)).toBeUndefined()
    expect(authorization({ ...key, username: "ann" })).toMatch(/^Basic /)
  })

  it.each(["", "a b", "a\nb", "a\r\nX-Evil: 1", "ä"])("the token %j is not usable", (token) => {
    expect(isUsable({ bearerToken: Redacted.make(token) })).toBe(false)
  })

  it("a password may hold anything but line breaks", () => {
    expect(isUsable({ username: "u", password: Redacted.make("p ä:🔑") })).toBe(true)
    expect(isUsable({ username: "u", password: Redacted.make("p\n") })).toBe(false)
  })

  it("are all among the secrets, also as they travel", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (password) => {
        const secrets = secretsOf({ username: "u", password: Redacted.make(password) })
        expect(secrets).toContain(password)
        expect(secrets).toContain(Buffer.from(`u:${password}`).toString("base64"))
      }),
    )
  })
})
