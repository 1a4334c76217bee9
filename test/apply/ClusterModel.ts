// The in-memory API server with what the Applier's tests need on top: requests as lines, definitions that
// become established when somebody looks.
import { Effect } from "effect"
import { KubeError } from "../../src/domain/errors.ts"
import {
  formatGroupKind,
  formatRef,
  type KubeObject,
  type ObjectKey,
} from "../../src/domain/object.ts"
import { type Call, KubeMemory, resourceType } from "../layers/KubeMemory.ts"

const DISPOSITIONS = { "NOPEA-A015": "wait", "NOPEA-A009": "stall" } as const

export const refusal = (status: number, code = "NOPEA-A017"): KubeError =>
  new KubeError({
    code,
    operation: "test",
    subject: "test",
    reason: `refused with ${status}`,
    fix: "none",
    disposition: DISPOSITIONS[code as keyof typeof DISPOSITIONS] ?? "retry",
    status,
    statusReason: "",
  })

export interface ClusterModel {
  /** `apply /ConfigMap/shop/a`, in the order of arrival; discovery is left out. */
  readonly requests: Array<string>
  /** Runs before each request; may fail it, wait, or change the cluster under it. */
  before: (request: string) => Effect.Effect<void, KubeError>
  /** Whether a definition becomes established when it is looked at. */
  establish: () => boolean
  readonly put: (object: KubeObject) => void
  readonly find: (kind: string, name: string) => KubeObject | undefined
}

const DEFINITION = resourceType("apiextensions.k8s.io/v1", "CustomResourceDefinition", "Cluster")

interface Definition {
  readonly group: string
  readonly names: { readonly kind: string }
}

const lineOf = ({ verb, type, name }: Call): string => {
  const kind = type ?? { group: "", kind: "" }
  return `${verb} ${name === undefined ? formatGroupKind(kind) : formatRef({ ...kind, ...name })}`
}

/** Namespace `shop` is there. */
export const clusterModel: Effect.Effect<ClusterModel, never, KubeMemory> = Effect.gen(
  function* () {
    const memory = yield* KubeMemory
    const established = new Set<ObjectKey>()
    const model: ClusterModel = {
      requests: [],
      before: () => Effect.void,
      establish: () => true,
      put: (object) => void memory.put(object),
      find: (kind, name) =>
        memory.find(resourceType(kind === "Deployment" ? "apps/v1" : "v1", kind), {
          namespace: "shop",
          name,
        }),
    }
    const look = ({ verb, type, name }: Call): void => {
      if (verb !== "get" || type?.kind !== DEFINITION.kind || name === undefined) return
      const found = memory.find(type, name)
      if (found === undefined || established.has(name.name) || !model.establish()) return
      established.add(name.name)
      const { group, names } = found["spec"] as Definition
      memory.serve(resourceType(`${group}/v1`, names.kind))
      const status = { conditions: [{ type: "Established", status: "True" }] }
      memory.edit(type, name, (object) => ({ ...object, status }))
    }
    memory.intercept((call) =>
      Effect.suspend(() => {
        if (call.verb === "discovery") return Effect.void
        model.requests.push(lineOf(call))
        look(call)
        return model.before(lineOf(call))
      }),
    )
    memory.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } })
    return model
  },
)
