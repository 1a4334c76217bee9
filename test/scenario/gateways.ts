// The Gateway API as definitions of our own, in the public shape: https://gateway-api.sigs.k8s.io/reference/spec/
import type { Json, KubeObject } from "../cluster/Api.ts"

const GROUP = "gateway.networking.k8s.io"
const text = { type: "string" }
const whole = { type: "integer" }
const listOf = (properties: object, ...required: ReadonlyArray<string>) => {
  const needed = required.length === 0 ? {} : { required }
  return { type: "array", items: { type: "object", properties, ...needed } }
}

const condition = {
  type: text,
  status: text,
  reason: text,
  message: text,
  lastTransitionTime: text,
  observedGeneration: whole,
}
const conditions = {
  ...listOf(condition, "type", "status"),
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
}
const reference = { group: text, kind: text, name: text, namespace: text }
const parent = { ...reference, sectionName: text, port: whole }
const backends = { backendRefs: listOf({ ...reference, port: whole, weight: whole }) }

const routeSpec = {
  parentRefs: listOf(parent),
  hostnames: { type: "array", items: text },
  rules: listOf(backends),
}
const routeStatus = {
  parents: listOf({
    parentRef: { type: "object", properties: parent },
    controllerName: text,
    conditions,
  }),
}
const listeners = listOf({ name: text, port: whole, protocol: text, hostname: text })

const definition = (
  kind: string,
  plural: string,
  spec: object,
  status: object,
  { version = "v1", scope = "Namespaced" } = {},
): KubeObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: {
    name: `${plural}.${GROUP}`,
    annotations: { "api-approved.kubernetes.io": "unapproved, for tests" },
  },
  spec: {
    group: GROUP,
    names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
    scope,
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", properties: spec },
              status: { type: "object", properties: status },
            },
          },
        },
      },
    ],
  },
})

export const DEFINITIONS: ReadonlyArray<KubeObject> = [
  definition(
    "GatewayClass",
    "gatewayclasses",
    { controllerName: text },
    { conditions },
    { scope: "Cluster" },
  ),
  definition(
    "Gateway",
    "gateways",
    { gatewayClassName: text, listeners },
    {
      conditions,
      listeners: listOf({ name: text, attachedRoutes: whole, conditions }),
    },
  ),
  definition("HTTPRoute", "httproutes", routeSpec, routeStatus),
  definition("GRPCRoute", "grpcroutes", routeSpec, routeStatus),
  definition(
    "ReferenceGrant",
    "referencegrants",
    { from: listOf(reference), to: listOf(reference) },
    {},
    { version: "v1beta1" },
  ),
]

const parentRefs = [{ name: "public" }]

/** A Service `name`, and all that leads to it; `port` is what each of them says. */
export const routed = (name: string, port: number): ReadonlyArray<KubeObject> => {
  const rules = [{ backendRefs: [{ name, port }] }]
  return [
    {
      apiVersion: `${GROUP}/v1`,
      kind: "GRPCRoute",
      metadata: { name },
      spec: { parentRefs, rules },
    },
    {
      apiVersion: `${GROUP}/v1`,
      kind: "HTTPRoute",
      metadata: { name },
      spec: { parentRefs, rules },
    },
    {
      apiVersion: `${GROUP}/v1beta1`,
      kind: "ReferenceGrant",
      metadata: { name },
      spec: {
        from: [{ group: GROUP, kind: "HTTPRoute", namespace: "elsewhere" }],
        to: [{ group: "", kind: "Service", name }],
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { ports: [{ port, protocol: "TCP" }] },
    },
  ]
}

/** A class `name` and a Gateway `public` of it. */
export const gateway = (name: string): ReadonlyArray<KubeObject> => [
  {
    apiVersion: `${GROUP}/v1`,
    kind: "Gateway",
    metadata: { name: "public" },
    spec: { gatewayClassName: name, listeners: [{ name: "http", port: 80, protocol: "HTTP" }] },
  },
  {
    apiVersion: `${GROUP}/v1`,
    kind: "GatewayClass",
    metadata: { name },
    spec: { controllerName: "rauta.example/gateway" },
  },
]

/** What a controller says: `{Accepted: true, ResolvedRefs: false}`. */
export const says = (live: Json, all: Readonly<Record<string, boolean>>): ReadonlyArray<object> =>
  Object.entries(all).map(([type, holds]) => ({
    type,
    status: holds ? "True" : "False",
    reason: holds ? type : "BackendNotFound",
    message: holds ? "" : "Service gone not found",
    lastTransitionTime: "2026-11-20T10:00:00Z",
    observedGeneration: live.metadata.generation,
  }))
