import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { purlOf } from "../../src/events/purl.ts"

const sha = "a".repeat(40)

describe("a commit as a package-url", () => {
  it.each([
    ["https://github.com/Example/Shop-Config.git", `pkg:github/example/shop-config@${sha}`],
    ["git@github.com:example/shop.git", `pkg:github/example/shop@${sha}`],
    ["https://user:secret@github.com/example/shop", `pkg:github/example/shop@${sha}`],
    ["https://bitbucket.org/team/web.git/", `pkg:bitbucket/team/web@${sha}`],
    [
      "https://git.example/org/repo.git",
      `pkg:generic/repo@${sha}?vcs_url=git%2Bhttps://git.example/org/repo.git%40${sha}`,
    ],
    [
      "ssh://git@git.example:2222/org/repo",
      `pkg:generic/repo@${sha}?vcs_url=git%2Bssh://git.example:2222/org/repo%40${sha}`,
    ],
    [
      "git@git.example:org/a b.git",
      `pkg:generic/a%20b@${sha}?vcs_url=git%2Bssh://git.example/org/a%20b.git%40${sha}`,
    ],
    ["file:///srv/repo.git", `pkg:generic/repo@${sha}?vcs_url=git%2Bfile:///srv/repo.git%40${sha}`],
    [
      "https://github.com/a/b/c",
      `pkg:generic/c@${sha}?vcs_url=git%2Bhttps://github.com/a/b/c%40${sha}`,
    ],
    ["?", `pkg:generic/repository@${sha}`],
  ])("%s", (url, purl) => assert.strictEqual(purlOf(url, sha), purl))

  it("never has credentials, spaces or signs of its own, whatever the address is", () =>
    fc.assert(
      fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true }), (url) => {
        const purl = purlOf(url.replace("://", "://user:s3cret@"), sha)
        assert.notInclude(purl, "s3cret")
        assert.match(purl, /^pkg:[a-z]+\/[^\s#?@]+@[0-9a-f]{40}(\?vcs_url=[\w.:%/~-]+)?$/u)
      }),
    ))
})
