import { Redacted, Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { proxyFor, undiciUrl, type Variables } from "../../src/domain/proxy.ts"

const found = (url: string, variables: Variables) => proxyFor(new URL(url), variables)
const hrefOf = (url: string, variables: Variables): string | undefined => {
  const proxy = Result.getOrThrow(found(url, variables))
  return proxy === undefined ? undefined : Redacted.value(proxy.url).href
}

const PROXY = "http://proxy.example:3128"

describe("a URL's proxy", () => {
  it.each([
    ["https://git.example/a", { HTTPS_PROXY: PROXY }, `${PROXY}/`],
    ["https://git.example/a", { https_proxy: PROXY, HTTPS_PROXY: "http://other:1" }, `${PROXY}/`],
    ["https://git.example/a", { HTTP_PROXY: PROXY }, undefined],
    ["http://git.example/a", { HTTP_PROXY: PROXY }, `${PROXY}/`],
    ["http://git.example/a", { HTTPS_PROXY: PROXY }, undefined],
    ["http://git.example/a", { ALL_PROXY: PROXY }, `${PROXY}/`],
    ["https://git.example/a", { all_proxy: PROXY, HTTPS_PROXY: "" }, undefined],
    ["https://git.example/a", { HTTPS_PROXY: "proxy.example:3128" }, `${PROXY}/`],
    [
      "https://git.example/a",
      { HTTPS_PROXY: "socks5h://proxy.example:1080" },
      "socks5h://proxy.example:1080",
    ],
    ["ssh://git.example/a", { ALL_PROXY: PROXY }, undefined],
    ["https://git.example/a", {}, undefined],
    ["https://localhost/a", { HTTPS_PROXY: PROXY }, undefined],
    ["https://127.0.0.1:8443/a", { HTTPS_PROXY: PROXY }, undefined],
    ["https://[::1]:8443/a", { HTTPS_PROXY: PROXY }, undefined],
  ])("of %s with %j is %s", (url, variables, href) => {
    expect(hrefOf(url, variables)).toBe(href)
  })

  it.each([
    ["git.example", "*", true],
    ["git.example", "git.example", true],
    ["git.example", "other.example, git.example", true],
    ["git.example", "other.example git.example", true],
    ["git.example", "GIT.Example", true],
    ["git.example", ".example", true],
    ["git.example", "*.example", true],
    ["git.example", "example", true],
    ["git.example", "xample", false],
    ["git.example", "t.example", false],
    ["example", ".example", true],
    ["git.example", "git.example:443", true],
    ["git.example", "git.example:8443", false],
    ["git.example:8443", "git.example:8443", true],
    ["10.1.2.3", "10.0.0.0/8", true],
    ["11.1.2.3", "10.0.0.0/8", false],
    ["10.1.2.3", "10.0.0.0/99", false],
    ["10.1.2.3", "10.1.2.3", true],
    ["10.1.2.3", "2.3", false],
    ["[fd00::1]", "fd00::/8", true],
    ["[fd00:1:2:3:4:5:6:7]", "fd00:1:2::/48", true],
    ["[fe00::1]", "fd00::/8", false],
    ["[fd00::1]", "0.0.0.0/0", false],
    ["10.1.2.3", "10.1.2.3/32", true],
    ["10.1.2.4", "10.1.2.3/32", false],
    ["10.1.2.4", "10.1.2.3/31", false],
    ["10.1.2.4", "0.0.0.0/0", true],
    ["[fd00::1]", "fd00::1", true],
    ["[fd00::1]", "[fd00::1]", true],
    ["git.example", "10.0.0.0/8", false],
    ["git.example", "", false],
    ["git.example", ", .", false],
  ])("%s with NO_PROXY %j: direct %s", (host, list, isDirect) => {
    const variables = { HTTPS_PROXY: PROXY, NO_PROXY: list }
    expect(hrefOf(`https://${host}/a`, variables) === undefined).toBe(isDirect)
  })

  it("is told without its user and password, which are known as secrets", () => {
    const proxy = Result.getOrThrow(
      found("https://git.example/a", { HTTPS_PROXY: "http://ann:s3c%20ret@proxy.example:3128" }),
    )
    expect(proxy?.shown).toBe("the proxy http://proxy.example:3128 (HTTPS_PROXY)")
    expect(JSON.stringify({ ...proxy, secrets: [] })).not.toMatch(/s3c|ann/)
    const basic = Buffer.from("ann:s3c ret").toString("base64")
    expect(proxy?.secrets).toEqual(expect.arrayContaining(["s3c%20ret", "s3c ret", basic]))
  })

  it.each([
    "http://",
    "ftp://proxy:1",
    "socks4://proxy:1",
    "http://u:s3cret@",
    "http://a b",
    "%%",
    "://s3cret",
    // Signs of a password that are not escaped: what stands before them would be host and port.
    "http://s3cret:443#x@proxy.example:3128",
    "http://s3cret:443/x@proxy.example:3128",
    "s3cret:443?x@proxy.example:3128",
    "http://ann:s3cret%@proxy.example:3128",
    "http://s3cret%zz@proxy.example:3128",
  ])("that is none (%j) is told by its variable, and not repeated", (value) => {
    const wrong = Result.getFailure(found("https://git.example/a", { https_proxy: value }))
    expect(JSON.stringify(wrong)).toContain("https_proxy is no proxy's URL")
    expect(JSON.stringify(wrong)).not.toContain("s3cret")
  })

  it.each([
    ["socks5h://u:p@proxy.example:1080", "socks5://u:p@proxy.example:1080"],
    ["socks5://proxy.example:1080", "socks5://proxy.example:1080"],
    ["proxy.example:3128", "http://proxy.example:3128/"],
  ])("%s is %s for undici", (value, url) => {
    const proxy = Result.getOrThrow(found("https://git.example/a", { HTTPS_PROXY: value }))
    expect(proxy && undiciUrl(proxy)).toBe(url)
  })

  it("is found or not, whatever the variables hold", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (proxy, list) => {
        const result = found("https://git.example/a", { HTTPS_PROXY: proxy, NO_PROXY: list })
        expect(Result.isResult(result)).toBe(true)
      }),
    )
  })
})
