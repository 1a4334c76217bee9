import { assert, describe, it } from "vitest"
import { routeOf } from "../../src/webhook/route.ts"

describe("a route", () => {
  it.each([
    ["/webhook/github", { kind: "provider", provider: "github" }],
    ["/webhook/bitbucket-server?x=/y", { kind: "provider", provider: "bitbucket-server" }],
    ["/webhook/github/", { kind: "provider", provider: "github" }],
    ["/webhook/shop", { kind: "repository", name: "shop" }],
    ["/webhook/team/shop", { kind: "repository", namespace: "team", name: "shop" }],
    ["/webhook/github/shop", { kind: "repository", namespace: "github", name: "shop" }],
    ["/webhook/constructor", { kind: "repository", name: "constructor" }],
  ])("%s is known", (path, route) => assert.deepStrictEqual(routeOf(path), route as never))

  it.each([
    "/webhook",
    "/webhook/",
    "/webhook//shop",
    "/webhook/a/b/c",
    "/webhook/../x",
    "/webhook/%67ithub",
    "/webhook/GitHub",
    "/webhook/__proto__",
    "/other/github",
    `/webhook/${"a".repeat(300)}`,
    "",
  ])("%s is none", (path) => assert.isUndefined(routeOf(path)))
})
