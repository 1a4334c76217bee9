// The life of one repository in three commits: a first sync of many kinds, a change, and a prune.
import type { Json, ObjectKey } from "../cluster/Api.ts"
import type { Files } from "../gitserver/fastImport.ts"

/** One object: its file in Git, and how it looks when it is there. */
interface Part {
  readonly key: ObjectKey
  /** By phase; null: not in Git. */
  readonly values: readonly [string | null, string | null, string | null]
  readonly manifest: (value: string) => object
  readonly read: (live: Json) => unknown
}

export interface Phase {
  readonly name: string
  readonly files: Files
  /** What has to be live, and the value it carries. */
  readonly there: ReadonlyArray<{ readonly part: Part; readonly value: string }>
  readonly gone: ReadonlyArray<ObjectKey>
  readonly inventoryKinds: ReadonlyArray<string>
}

export interface Life {
  readonly group: string
  readonly phases: readonly [Phase, Phase, Phase]
  readonly keys: ReadonlyArray<ObjectKey>
  /** What NOPEA leaves behind by its own rules. */
  readonly remains: ReadonlyArray<ObjectKey>
}

const dataOf = (live: Json) => live.data?.value
const noteOf = (live: Json) => live.metadata.annotations?.note

const PLURAL = "widgets"

const definition = (group: string) => ({
  scope: "Namespaced",
  group,
  names: { plural: PLURAL, singular: "widget", kind: "Widget", listKind: "WidgetList" },
  versions: [
    {
      name: "v1",
      served: true,
      storage: true,
      schema: {
        openAPIV3Schema: {
          type: "object",
          properties: { spec: { type: "object", properties: { value: { type: "string" } } } },
        },
      },
    },
  ],
})

const partsOf = (namespace: string, name: string, group: string): ReadonlyArray<Part> => {
  const extra = `${namespace}-${name}`
  const inside = (kind: string, apiVersion: string, suffix: string, where = namespace) => ({
    apiVersion,
    kind,
    metadata: { name: `${name}-${suffix}`, namespace: where },
  })
  const configMap = (suffix: string, values: Part["values"], where = namespace): Part => {
    const key = inside("ConfigMap", "v1", suffix, where)
    return { key, values, manifest: (value) => ({ ...key, data: { value } }), read: dataOf }
  }
  const noted = (key: ObjectKey, values: Part["values"], rest: object): Part => ({
    key,
    values,
    manifest: (note) => ({ ...key, metadata: { ...key.metadata, annotations: { note } }, ...rest }),
    read: noteOf,
  })
  const widget = (suffix: string, values: Part["values"]): Part => {
    const key = inside("Widget", `${group}/v1`, suffix)
    const read = (live: Json) => live.spec?.value
    return { key, values, manifest: (value) => ({ ...key, spec: { value } }), read }
  }
  const crd = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${PLURAL}.${group}` },
  }
  const secret = inside("Secret", "v1", "secret")
  const labels = { app: name }
  return [
    noted(crd, ["a", "a", "a"], { spec: definition(group) }),
    noted({ apiVersion: "v1", kind: "Namespace", metadata: { name: extra } }, ["a", "a", "a"], {}),
    configMap("inside", ["a", "b", "b"], extra),
    configMap("stays", ["a", "a", "a"]),
    configMap("changes", ["a", "b", "b"]),
    configMap("comes", [null, "b", "b"]),
    configMap("goes", ["a", "a", null]),
    widget("stays", ["a", "b", "b"]),
    widget("goes", ["a", "a", null]),
    noted(inside("Service", "v1", "goes"), ["a", "a", null], {
      spec: { selector: labels, ports: [{ port: 80, protocol: "TCP" }] },
    }),
    noted(inside("Deployment", "apps/v1", "web"), ["a", "b", "b"], {
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: "main", image: "registry.example/app:1" }] },
        },
      },
    }),
    {
      key: secret,
      values: ["a", "b", "b"],
      manifest: (value) => ({ ...secret, stringData: { value } }),
      read: (live) => Buffer.from(live.data.value, "base64").toString(),
    },
  ]
}

const kindOf = ({ apiVersion, kind }: ObjectKey): string =>
  `${apiVersion.includes("/") ? apiVersion.split("/")[0] : ""}/${kind}`

const phaseOf = (parts: ReadonlyArray<Part>, index: 0 | 1 | 2, name: string): Phase => {
  const there = parts.flatMap((part) => {
    const value = part.values[index]
    return value === null ? [] : [{ part, value }]
  })
  return {
    name,
    there,
    files: Object.fromEntries(
      there.map(({ part, value }, i) => [`${i}.json`, JSON.stringify(part.manifest(value))]),
    ),
    gone: parts.filter(({ values }) => values[index] === null).map(({ key }) => key),
    inventoryKinds: [...new Set(there.map(({ part }) => kindOf(part.key)))].sort(),
  }
}

export const lifeOf = (namespace: string, name: string): Life => {
  const group = `${name}.${namespace}.example`
  const parts = partsOf(namespace, name, group)
  const keys = parts.map(({ key }) => key)
  return {
    group,
    keys,
    phases: [
      phaseOf(parts, 0, "first sync"),
      phaseOf(parts, 1, "change"),
      phaseOf(parts, 2, "prune"),
    ],
    remains: keys.filter(({ kind }) => kind !== "Widget"),
  }
}
