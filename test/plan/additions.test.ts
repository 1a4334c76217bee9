import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { JsonObject, ManagedFieldsEntry, ObjectMeta } from "../../src/domain/object.ts"
import { added, takeAdded } from "../../src/plan/additions.ts"
import { type FieldPath, formatPath } from "../../src/plan/fields.ts"
import { holderOf, isAutoscaled, ownSet } from "../../src/plan/holders.ts"
import { missing } from "../../src/plan/ownership.ts"
import { ownedTree } from "./fieldTrees.ts"

const entry = (
  manager: string,
  fieldsV1: JsonObject,
  more: Partial<ManagedFieldsEntry> = {},
): ManagedFieldsEntry => ({
  manager,
  operation: "Update",
  apiVersion: "apps/v1",
  time: "2026-11-20T10:00:00Z",
  fieldsV1,
  ...more,
})
const own = (fieldsV1: JsonObject): ManagedFieldsEntry =>
  entry("nopea", fieldsV1, { operation: "Apply" })
const inPod = (fields: JsonObject): JsonObject => ({
  "f:spec": { "f:template": { "f:spec": fields } },
})
const API = 'k:{"name":"api"}'
const SIDECAR = { 'k:{"name":"sidecar"}': { ".": {}, "f:image": {}, "f:name": {} } }
const RESTARTED = "f:kubectl.kubernetes.io/restartedAt"
const inTemplate = (annotations: JsonObject): JsonObject => ({
  "f:spec": { "f:template": { "f:metadata": { "f:annotations": annotations } } },
})

const DESIRED: JsonObject = {
  metadata: { name: "api", labels: { app: "api" } },
  spec: {
    replicas: 3,
    template: {
      spec: {
        containers: [{ name: "api", image: "api:1", ports: [{ containerPort: 53 }], args: ["a"] }],
      },
    },
  },
}
const OWN = own({
  "f:metadata": { "f:labels": { "f:app": {} } },
  "f:spec": {
    "f:replicas": {},
    "f:template": {
      "f:spec": {
        "f:containers": {
          [API]: {
            ".": {},
            "f:name": {},
            "f:image": {},
            "f:args": {},
            "f:ports": {
              'k:{"containerPort":53,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} },
            },
          },
        },
      },
    },
  },
})

type Row = readonly [title: string, fields: JsonObject, paths: ReadonlyArray<string>]
const TABLE: ReadonlyArray<Row> = [
  [
    "a whole sidecar, once",
    inPod({ "f:containers": SIDECAR }),
    ["spec.template.spec.containers[name=sidecar]"],
  ],
  [
    "what a container of ours got",
    inPod({
      "f:containers": {
        [API]: { "f:env": { ".": {}, 'k:{"name":"X"}': { ".": {}, "f:name": {} } }, "f:image": {} },
      },
    }),
    ["spec.template.spec.containers[name=api].env"],
  ],
  [
    "a port that differs only by its protocol",
    inPod({
      "f:containers": {
        [API]: {
          "f:ports": {
            'k:{"containerPort":53,"protocol":"UDP"}': { ".": {}, "f:containerPort": {} },
            'k:{"containerPort":53,"protocol":"TCP"}': { "f:name": {} },
          },
        },
      },
    }),
    [
      "spec.template.spec.containers[name=api].ports[containerPort=53,protocol=UDP]",
      "spec.template.spec.containers[name=api].ports[containerPort=53,protocol=TCP].name",
    ],
  ],
  ["nothing that desired says", { "f:spec": { "f:replicas": {} } }, []],
  [
    "nothing of the object's metadata and status",
    { "f:metadata": { "f:labels": { "f:x": {} } }, "f:status": { "f:x": {} } },
    [],
  ],
  [
    "labels of a template",
    { "f:spec": { "f:template": { "f:metadata": { "f:labels": { "f:x": {} } } } } },
    ["spec.template.metadata"],
  ],
  ["no restart", inTemplate({ ".": {}, [RESTARTED]: {} }), []],
  [
    "what was annotated beside a restart",
    inTemplate({ ".": {}, [RESTARTED]: {}, "f:note": {} }),
    ["spec.template.metadata.annotations.note"],
  ],
  ["a member of a set", { "f:x": { 'v:"a"': {} } }, ["x"]],
]
const DESIRED_LISTS: ReadonlyArray<readonly [desired: JsonObject, paths: ReadonlyArray<string>]> = [
  [{ x: ["a"] }, ["x[=b]"]],
  [{ x: [] }, ["x[=a]", "x[=b]"]],
  [{ x: null }, ["x"]],
]

describe("what people added", () => {
  for (const [title, fields, paths] of TABLE) {
    it(`is ${title}`, () => {
      const found = added(DESIRED, [OWN, entry("kubectl-edit", fields)])
      assert.deepStrictEqual(
        found.map(({ path }) => formatPath(path)),
        paths,
      )
    })
  }
  for (const [desired, paths] of DESIRED_LISTS) {
    it(`to ${JSON.stringify(desired)} is ${paths.join()}`, () => {
      const set = { "f:x": { 'v:"a"': {}, 'v:"b"': {} } }
      const found = added(desired, [entry("kubectl-patch", set)])
      assert.deepStrictEqual(
        found.map(({ path }) => formatPath(path)),
        paths,
      )
    })
  }
  it("is never a map that holds somebody's restart", () => {
    const found = added(DESIRED, [
      OWN,
      entry("kubectl-edit", inTemplate({ "f:note": {} })),
      entry("kubectl-rollout", inTemplate({ ".": {}, [RESTARTED]: {} })),
    ])
    assert.deepStrictEqual(
      found.map(({ path }) => formatPath(path)),
      ["spec.template.metadata.annotations.note"],
    )
  })
  it("is no item of ours that lost its place, by another default", () => {
    const ports = [{ containerPort: 53 }, { containerPort: 54, protocol: "TCP" }]
    const held = (port: number, protocol: string) => ({
      [`k:{"containerPort":${port},"protocol":"${protocol}"}`]: { ".": {}, "f:protocol": {} },
    })
    const set = { "f:ports": { ...held(53, "UDP"), ...held(54, "TCP") } }
    assert.deepStrictEqual(
      added({ ports }, [own({}), entry("kubectl-edit", set)]).map(({ path }) => formatPath(path)),
      ["ports[containerPort=53,protocol=UDP]"],
    )
  })
  it("is told once, by whoever wrote last", () => {
    const fields = inPod({ "f:containers": SIDECAR })
    const found = added(DESIRED, [
      OWN,
      entry("kubectl-edit", fields, { time: "2026-11-20T10:00:01Z" }),
      entry("kubectl-patch", fields),
    ])
    assert.deepStrictEqual(
      found.map(({ author }) => author),
      [{ manager: "kubectl-edit", operation: "Update", time: "2026-11-20T10:00:01Z" }],
    )
  })
  it("is nothing that controllers, appliers or subresources hold", () => {
    const fields = { "f:spec": { "f:paused": {} } }
    const entries = [
      entry("controller", fields),
      entry("kubectl", fields, { operation: "Apply" }),
      entry("kubectl", fields, { subresource: "scale" }),
    ]
    assert.deepStrictEqual(added(DESIRED, entries), [])
  })
  it("is nothing where they hold what was applied", () =>
    fc.assert(
      fc.property(ownedTree, ({ value, set }) => {
        const nulls = /null/u.test(JSON.stringify(value, (_, v) => (typeof v === "bigint" ? 0 : v)))
        fc.pre(!nulls)
        assert.deepStrictEqual(added(value, [own(set), entry("kubectl-edit", set)]), [])
      }),
    ))
})

describe("taking additions", () => {
  const fields = inPod({ "f:containers": { ...SIDECAR, [API]: { "f:image": {} } } })
  const meta: ObjectMeta = {
    name: "api",
    resourceVersion: "7",
    managedFields: [OWN, entry("kubectl-edit", fields), entry("controller", fields)],
  }
  const paths = added(DESIRED, meta.managedFields).map(({ path }) => path)
  const patched = (of = meta, taken: ReadonlyArray<FieldPath> = paths) => {
    const patch = takeAdded(of, "apps/v1", taken)
    assert.deepStrictEqual(patch?.[0], {
      op: "test",
      path: "/metadata/resourceVersion",
      value: "7",
    })
    assert.strictEqual(patch?.[1]?.path, "/metadata/managedFields")
    return patch?.[1]?.value as ReadonlyArray<ManagedFieldsEntry>
  }

  it("moves just these paths to our entry", () => {
    const entries = patched()
    assert.deepStrictEqual(
      entries.map((e) => [e.manager, e.operation]),
      [
        ["kubectl-edit", "Update"],
        ["controller", "Update"],
        ["nopea", "Apply"],
      ],
    )
    assert.deepStrictEqual(
      entries[0]?.fieldsV1,
      inPod({ "f:containers": { [API]: { "f:image": {} } } }),
    )
    assert.deepStrictEqual(entries[1], meta.managedFields?.[2])
    const set = ownSet(entries) as never
    const containers = set["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert.hasAllKeys(containers, [API, 'k:{"name":"sidecar"}'])
    assert.deepStrictEqual(missing(DESIRED, ownSet(entries), { custom: false }).missing, [])
    assert.deepStrictEqual(added(DESIRED, entries), [])
  })
  it("drops entries that nothing is left of", () => {
    const only = {
      ...meta,
      managedFields: [OWN, entry("kubectl-edit", inPod({ "f:containers": SIDECAR }))],
    }
    assert.deepStrictEqual(
      patched(only).map((e) => e.manager),
      ["nopea"],
    )
  })
  it("makes an entry of ours where there is none", () => {
    const only = { ...meta, managedFields: meta.managedFields?.slice(1) ?? [] }
    assert.deepStrictEqual(ownSet(patched(only)), inPod({ "f:containers": SIDECAR }))
  })
  it("does nothing where people hold none of it", () =>
    assert.isUndefined(takeAdded(meta, "apps/v1", [["f:spec", "f:paused"], []])))
})

describe("who holds a field", () => {
  const REPLICAS = ["f:spec", "f:replicas"]
  const fields = {
    "f:spec": {
      "f:replicas": {},
      "f:ports": { 'k:{"port":53,"protocol":"TCP"}': { "f:name": {} } },
      "f:x": { "v:1": {} },
    },
  }
  const later = { time: "2026-11-20T11:00:00Z" }

  it("is the other manager that wrote last", () => {
    const entries = [
      entry("a", fields, later),
      entry("b", fields),
      own(fields),
      entry("nopea-ceded", fields, later),
    ]
    assert.strictEqual(holderOf(REPLICAS, entries)?.manager, "a")
    assert.strictEqual(holderOf(["f:spec"], entries)?.manager, "a")
    assert.isUndefined(holderOf(["f:spec", "f:paused"], entries))
    assert.isUndefined(holderOf([], entries))
    assert.isUndefined(holderOf(REPLICAS, [own(fields)]))
    assert.isUndefined(holderOf(REPLICAS, undefined))
  })
  it("is found by keys without their defaults, and by value", () => {
    const entries = [entry("a", fields)]
    assert.isDefined(holderOf(["f:spec", "f:ports", 'k:{"port":53}', "f:name"], entries))
    assert.isUndefined(holderOf(["f:spec", "f:ports", 'k:{"port":54}'], entries))
    assert.isDefined(holderOf(["f:spec", "f:x", "v:1.0"], entries))
  })
  it("is nobody who holds another item that we still own", () => {
    const path = ["f:spec", "f:ports", 'k:{"port":53}']
    const entries = [own({ "f:spec": { "f:ports": { 'k:{"port":53,"protocol":"TCP"}': {} } } })]
    assert.isUndefined(holderOf(path, [...entries, entry("a", fields)]))
  })
  it("is an autoscaler only through scale, and never kubectl", () => {
    const scaled = (manager: string, more: object) => [entry(manager, fields, more)]
    const scale = { subresource: "scale" }
    assert.isTrue(isAutoscaled(REPLICAS, scaled("kube-controller-manager", scale)))
    assert.isFalse(isAutoscaled(REPLICAS, scaled("kubectl", scale)))
    assert.isFalse(isAutoscaled(REPLICAS, scaled("kube-controller-manager", {})))
    assert.isFalse(isAutoscaled(["f:spec"], scaled("kube-controller-manager", scale)))
    const person = entry("kubectl-edit", fields, later)
    assert.isFalse(isAutoscaled(REPLICAS, [...scaled("kube-controller-manager", scale), person]))
  })
})

describe("whatever stands in managedFields", () => {
  it("is no reason to throw", () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.array(fc.string()), (any, tree, path) => {
        for (const given of [
          any,
          [any],
          [entry("kubectl", any as JsonObject), own(any as JsonObject)],
        ]) {
          const managedFields = given as unknown as ReadonlyArray<ManagedFieldsEntry>
          added(tree as JsonObject, managedFields)
          holderOf(path, managedFields)
          isAutoscaled(path, managedFields)
          ownSet(managedFields)
          takeAdded({ name: "x", managedFields }, "v1", [path])
        }
      }),
    ))
})
