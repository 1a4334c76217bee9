import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { collectionPath, objectPath, queryText } from "../../src/kube/path.ts"

const deployments = {
  group: "apps",
  version: "v1",
  kind: "Deployment",
  resource: "deployments",
  namespaced: true,
  verbs: ["get"],
}
const nodes = { ...deployments, group: "", kind: "Node", resource: "nodes", namespaced: false }

describe("paths of the API server", () => {
  it.each([
    [collectionPath(deployments, "shop"), "/apis/apps/v1/namespaces/shop/deployments"],
    [collectionPath(deployments), "/apis/apps/v1/deployments"],
    [collectionPath(deployments, ""), "/apis/apps/v1/deployments"],
    [collectionPath(nodes, "shop"), "/api/v1/nodes"],
    [objectPath(nodes, { namespace: "", name: "n1" }), "/api/v1/nodes/n1"],
    [
      objectPath(deployments, { namespace: "shop", name: "api" }, "status"),
      "/apis/apps/v1/namespaces/shop/deployments/api/status",
    ],
    [
      objectPath(deployments, { namespace: "a/b", name: "../x?y#z" }),
      "/apis/apps/v1/namespaces/a%2Fb/deployments/..%2Fx%3Fy%23z",
    ],
    [
      queryText({ labelSelector: "a=b,c in (d)", limit: 5, dryRun: undefined }),
      "?labelSelector=a%3Db%2Cc%20in%20(d)&limit=5",
    ],
    [queryText({ dryRun: undefined }), ""],
  ])("%s", (actual, expected) => {
    expect(actual).toBe(expected)
  })

  it("never let a name reach another path or query", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (name) => {
        const path = objectPath(deployments, { namespace: "shop", name })
        const url = new URL(`https://kube${path}`)
        const isDots = name === "." || name === ".."
        expect(url.search + url.hash).toBe("")
        if (!isDots) expect(decodeURIComponent(url.pathname.split("/")[7] ?? "")).toBe(name)
      }),
    )
  })
})
