import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { parseJson } from "../../src/plan/json.ts"
import { hashOf, type Stamp, stampedBody, stampWarnings } from "../../src/plan/stamp.ts"
import { desired, hash, KEY, OTHER, US } from "./words.ts"

const stamp = (more: Partial<Stamp> = {}): Stamp => ({
  namespace: "shop",
  owner: US,
  hash: "v1:abc",
  guard: { on: "absent" },
  ...more,
})
const sent = (text: string, more: object = {}, options: Partial<Stamp> = {}) =>
  JSON.parse(stampedBody(desired(text, more), stamp(options)))

describe("the hash of what is applied", () => {
  const a = desired("ConfigMap shop/a", { data: { k: "1" } })
  const secret = desired("Secret shop/a", { stringData: { k: "1" } })
  const other = Redacted.make(new Uint8Array(32).fill(8))

  it("starts with its scheme and depends on nothing but its input", () => {
    assert.match(hash(a), /^v1:[0-9a-f]{64}$/)
    assert.strictEqual(hash(a), hash(desired("ConfigMap shop/a", { data: { k: "1" } }, 99)))
  })
  it("differs by content, namespace and every part of the owner", () => {
    const hashes = [
      hash(a),
      hash(desired("ConfigMap shop/a", { data: { k: "2" } })),
      hash(a, "elsewhere"),
      hash(a, "shop", OTHER),
      hash(a, "shop", { ...US, uid: "uid-2" }),
      hash(a, "shop", { ...US, name: "web" }),
      hash(a, "shop", { ...US, namespace: "web" }),
    ]
    assert.strictEqual(new Set(hashes).size, hashes.length)
  })
  it("is computed without reading the object", () =>
    assert.strictEqual(hash({ ...a, json: "not JSON" }), hash(a)))
  it("of a Secret depends on the key, of anything else it does not", () => {
    const under = (d: typeof a, hashKey: typeof KEY) =>
      hashOf({ desired: d, namespace: "shop", owner: US, hashKey })
    assert.notStrictEqual(under(secret, KEY), under(secret, other))
    assert.strictEqual(under(a, KEY), under(a, other))
  })
})

describe("what is sent", () => {
  it("names the repository, in the namespace it was given", () => {
    assert.deepStrictEqual(sent("ConfigMap a", { data: { k: "1" } }), {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: "a",
        namespace: "shop",
        resourceVersion: "1",
        labels: {
          "app.kubernetes.io/managed-by": "nopea",
          "nopea.io/repository": "shop",
          "nopea.io/repository-namespace": "team",
          "nopea.io/repository-uid": "uid-shop",
        },
        annotations: { "nopea.io/applied": "v1:abc" },
      },
      data: { k: "1" },
    })
  })
  it("has no namespace where the kind has none", () =>
    assert.notProperty(sent("ClusterRole shop/r", {}, { namespace: "" }).metadata, "namespace"))
  it("keeps Git's managed-by label, and never a foreign repository's", () => {
    const labels = {
      "app.kubernetes.io/managed-by": "me",
      "nopea.io/repository": "stolen",
      app: "x",
    }
    const { metadata } = sent("ConfigMap a", { metadata: { name: "a", labels } })
    assert.strictEqual(metadata.labels["app.kubernetes.io/managed-by"], "me")
    assert.strictEqual(metadata.labels["nopea.io/repository"], "shop")
    assert.strictEqual(metadata.labels.app, "x")
  })
  it("leaves out what counts on the live object only, and says so", () => {
    const text = "ConfigMap shop/a suspend=true prune=disabled"
    assert.deepStrictEqual(sent(text).metadata.annotations, {
      "nopea.io/prune": "disabled",
      "nopea.io/applied": "v1:abc",
    })
    assert.deepStrictEqual(
      [...stampWarnings(desired(text), true)],
      [
        "deploy/all.yaml, document 1: nopea.io/suspend-heal is left out of ConfigMap a: it counts on the live object only",
      ],
    )
  })
  it("carries the uid, and the version it was decided on when adopting", () => {
    const guard = { on: "object", uid: "u1" } as const
    assert.include(sent("ConfigMap a", {}, { guard }).metadata, { uid: "u1" })
    assert.notProperty(sent("ConfigMap a", {}, { guard }).metadata, "resourceVersion")
    const adopting = sent("ConfigMap a", {}, { guard: { ...guard, resourceVersion: "9" } })
    assert.include(adopting.metadata, { uid: "u1", resourceVersion: "9" })
  })
  it("keeps every digit of large integers", () => {
    const body = stampedBody(
      desired("ConfigMap a", { spec: { max: 9223372036854775807n, text: "9223372036854775807" } }),
      stamp(),
    )
    assert.include(body, '"max":9223372036854775807')
    assert.include(body, '"text":"9223372036854775807"')
    assert.deepStrictEqual(parseJson("[12345678901234567890, 1.5, 1e30]"), [
      12345678901234567890n,
      1.5,
      1e30,
    ])
  })
})
