import { assert, describe, it } from "vitest"
import {
  claimed,
  type Lease,
  leaseBody,
  leasePatch,
  parseLease,
} from "../../src/controller/lease.ts"

const WALL = Date.parse("2026-11-20T10:00:00.123Z")
const me = { identity: "me", duration: 15_000, wall: WALL }
const NOW = "2026-11-20T10:00:00.123000Z"

const held = (over: Partial<Lease> = {}): Lease => ({
  holder: "other",
  duration: 15_000,
  acquireTime: "2026-11-19T00:00:00.000000Z",
  renewTime: "2026-11-20T09:59:58.000000Z",
  transitions: 3,
  resourceVersion: "7",
  ...over,
})

describe("the Lease", () => {
  it("is created with every field that kubectl and other candidates read", () => {
    assert.deepEqual(leaseBody("ns", claimed(null, me)), {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        name: "nopea",
        namespace: "ns",
        labels: { "app.kubernetes.io/part-of": "nopea" },
      },
      spec: {
        holderIdentity: "me",
        leaseDurationSeconds: 15,
        acquireTime: NOW,
        renewTime: NOW,
        leaseTransitions: 0,
      },
    })
  })

  it("counts a new holder, also after a release, and notes when it began", () => {
    for (const holder of ["other", ""]) {
      const spec = claimed(held({ holder }), me)
      assert.deepInclude(spec, { acquireTime: NOW, renewTime: NOW, leaseTransitions: 4 })
    }
  })

  it("keeps the beginning and the count while it is renewed", () => {
    const spec = claimed(held({ holder: "me" }), me)
    assert.deepInclude(spec, { acquireTime: held().acquireTime, leaseTransitions: 3 })
    assert.strictEqual(spec["renewTime"], NOW)
  })

  it("never says the same twice in a row: the API server would not store it", () => {
    const spec = claimed(held({ holder: "me", renewTime: NOW }), me)
    assert.strictEqual(spec["renewTime"], "2026-11-20T10:00:00.124000Z")
  })

  it("is patched only as it was read", () => {
    const patch = leasePatch(held(), { holderIdentity: "" })
    assert.deepEqual(patch, { metadata: { resourceVersion: "7" }, spec: { holderIdentity: "" } })
  })

  it("that somebody left empty or broken is nobody's, and lasts as long as ours", () => {
    const object = { ...leaseBody("ns", {}), metadata: { name: "nopea", resourceVersion: "1" } }
    const empty = {
      holder: "",
      duration: 9_000,
      acquireTime: "",
      renewTime: "",
      transitions: 0,
      resourceVersion: "1",
    }
    assert.deepEqual(parseLease(object, 9_000), empty)
    const { apiVersion, kind, metadata } = object
    const bare = { apiVersion, kind, metadata }
    assert.deepEqual(parseLease(bare, 9_000), empty)
    const broken = { ...object, spec: { leaseDurationSeconds: -1, leaseTransitions: "x" } }
    assert.deepEqual(parseLease(broken, 9_000), empty)
  })

  it("is read as it was written", () => {
    const object = leaseBody("ns", claimed(null, me))
    const read = parseLease({ ...object, metadata: { name: "nopea", resourceVersion: "9" } }, 1)
    assert.deepEqual(read, {
      holder: "me",
      duration: 15_000,
      acquireTime: NOW,
      renewTime: NOW,
      transitions: 0,
      resourceVersion: "9",
    })
  })
})
