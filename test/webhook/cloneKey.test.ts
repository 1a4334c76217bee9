import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { cloneKey } from "../../src/webhook/cloneKey.ts"

const SAME: ReadonlyArray<ReadonlyArray<string>> = [
  [
    "https://github.com/acme/shop",
    "https://github.com/acme/shop.git",
    "https://github.com/acme/shop.git/",
    "https://GitHub.com/Acme/Shop.git",
    "https://user@github.com/acme/shop",
    "https://user:pw@github.com:443//acme/shop",
    "http://github.com:8080/acme/shop",
    "git://github.com/acme/shop.git",
    "ssh://git@github.com/acme/shop.git",
    "ssh://git@github.com:22/acme/shop.git",
    "ssh://git@ssh.github.com:443/acme/shop.git",
    "git@github.com:acme/shop.git",
    "git@github.com:/acme/shop",
    "org-1234@github.com:acme/shop.git",
  ],
  ["git@altssh.gitlab.com:acme/sub/shop.git", "https://gitlab.com/acme/sub/shop"],
  ["https://[::1]:3000/a/b.git", "ssh://git@[::1]/a/b"],
  [
    "https://dev.azure.com/acme/web/_git/shop",
    "https://acme@dev.azure.com/acme/web/_git/shop",
    "git@ssh.dev.azure.com:v3/acme/web/shop",
    "https://acme.visualstudio.com/web/_git/shop",
    "https://acme.visualstudio.com/DefaultCollection/web/_git/shop",
    "acme@vs-ssh.visualstudio.com:v3/acme/web/shop",
  ],
  ["https://dev.azure.com/acme/_git/shop", "https://acme.visualstudio.com/_git/shop"],
]

const OTHER = [
  "https://github.com/acme/shop",
  "https://github.com/acme/shop2",
  "https://github.com/acme",
  "https://github.com/x/acme/shop",
  "https://github.com.evil.example/acme/shop",
  "https://evil.example/github.com/acme/shop",
  "https://evil.example/?https://github.com/acme/shop",
  "https://gitlab.com/acme/shop",
]

const NONE = [
  "",
  "/",
  "acme/shop",
  "https://",
  "https://github.com",
  "https://github.com/",
  "://x/y",
]
const REFUSED = [
  "file:///srv/git",
  "https://github.com/a b",
  "https://x/a\n",
  `https://x/${"a".repeat(2048)}`,
]

describe("a clone URL's key", () => {
  it.each(SAME.map((all) => [String(all[0]), all] as const))(
    "is that of every spelling of %s",
    (_, all) => {
      assert.deepStrictEqual(
        [...new Set(all.map(cloneKey))].length,
        1,
        all.map(cloneKey).join("\n"),
      )
      assert.isDefined(cloneKey(String(all[0])))
    },
  )
  it("differs between places", () => {
    assert.strictEqual(new Set(OTHER.map(cloneKey)).size, OTHER.length)
  })
  it.each([...NONE, ...REFUSED])("is none for %j", (text) => assert.isUndefined(cloneKey(text)))

  const part = fc.stringMatching(/^[A-Za-z0-9._~%-]{1,8}$/u)
  const urlLike = fc
    .tuple(
      fc.constantFrom("https://", "ssh://git@", "git@", "http://u:p@", ""),
      fc.oneof(
        part,
        fc.constantFrom("dev.azure.com", "ssh.github.com", "a.visualstudio.com", "[::1]"),
      ),
      fc.constantFrom("/", ":", ":22/", "//"),
      fc.array(fc.oneof(part, fc.constantFrom("_git", "v3", ".git", "", "defaultcollection")), {
        maxLength: 6,
      }),
      fc.constantFrom("", ".git", "/", ".git.git/"),
    )
    .map(([scheme, host, sep, parts, end]) => `${scheme}${host}${sep}${parts.join("/")}${end}`)

  it("is its own key, and never throws", () => {
    void fc.assert(
      fc.property(fc.oneof(urlLike, fc.webUrl(), fc.string({ unit: "binary" })), (text) => {
        const key = cloneKey(text)
        if (key !== undefined) assert.strictEqual(cloneKey(key), key)
      }),
      { numRuns: 5000 },
    )
  })
})
