// KULTA's Rollout as a definition of our own, and what rollout scenarios do with it.
import type { Json, KubeObject, ObjectKey } from "../cluster/Api.ts"
import type { Stage } from "./world.ts"

const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true }
const text = { type: "string" }
const spec = {
  type: "object",
  required: ["template", "strategy"],
  properties: {
    replicas: { type: "integer", minimum: 0 },
    selector: anything,
    template: anything,
    strategy: {
      type: "object",
      properties: { simple: anything, canary: anything, blueGreen: anything },
    },
  },
}
const status = {
  type: "object",
  properties: {
    phase: text,
    message: text,
    observedGeneration: { type: "integer" },
    replicas: { type: "integer" },
    conditions: {
      type: "array",
      items: { type: "object", properties: { type: text, status: text, reason: text } },
    },
  },
}

export const DEFINITION: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "rollouts.kulta.io" },
  spec: {
    group: "kulta.io",
    names: { plural: "rollouts", singular: "rollout", kind: "Rollout", listKind: "RolloutList" },
    scope: "Namespaced",
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
        },
        schema: { openAPIV3Schema: { type: "object", properties: { spec, status } } },
      },
    ],
  },
}

const rolloutId = (name: string, namespace?: string): ObjectKey => ({
  apiVersion: "kulta.io/v1alpha1",
  kind: "Rollout",
  metadata: namespace === undefined ? { name } : { name, namespace },
})

export const rolloutKey = ({ namespace }: Stage, name: string): ObjectKey =>
  rolloutId(name, namespace)

export const CANARY = { canary: { steps: [{ setWeight: 20 }, { setWeight: 50 }] } }

/** As Git has it; with no pod template unless `more` gives one. */
export const rolloutFile = (name: string, more: object = {}): string =>
  JSON.stringify({ ...rolloutId(name), spec: { strategy: CANARY, ...more } })

const OWN = {
  metadata: { labels: { app: "own" } },
  spec: { containers: [{ name: "main", image: "registry.example/own:1" }] },
}

/** Somebody's own, by kubectl: with a strategy and a pod template. */
export const createRollout = async (here: Stage, name: string): Promise<Json> => {
  const object = { ...rolloutKey(here, name), spec: { strategy: CANARY, template: OWN } }
  const path = (await here.api.path(object)).replace(/\/[^/]+$/u, "")
  const { status: code, body } = await here.api.call("POST", path, {
    body: object,
    query: { fieldManager: "kubectl-create" },
  })
  if (code !== 201) throw new Error(JSON.stringify(body))
  return body
}

/** What `kubectl edit` does to the image. */
export const setImage = (here: Stage, name: string, image: string): Promise<Json> =>
  here.api.patch(
    rolloutKey(here, name),
    [{ op: "replace", path: "/spec/template/spec/containers/0/image", value: image }],
    { type: "json", fieldManager: "kubectl-edit" },
  )

export const setStatus = (here: Stage, name: string, value: object): Promise<Json> =>
  here.api.patch(rolloutKey(here, name), { status: value }, { subresource: "status" })

export const imageIn = (live: Json): string => live?.spec?.template?.spec?.containers?.[0]?.image

export const managersOf = (live: Json): ReadonlyArray<string> =>
  live.metadata.managedFields.map(({ manager }: Json) => manager)

export const setOf = (live: Json, manager: string): Json =>
  live.metadata.managedFields.find((entry: Json) => entry.manager === manager)?.fieldsV1
