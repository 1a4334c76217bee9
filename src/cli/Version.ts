/** `nopea version`: this program, the definition in the cluster, and the controller there. */
import { Effect } from "effect"
import { crd } from "../domain/crd.ts"
import type { KubeError } from "../domain/errors.ts"
import type { KubeObject } from "../domain/object.ts"
import { GROUP, PLURAL } from "../domain/repository.ts"
import { CALLER, type Here } from "./Cluster.ts"
import { definitionText, schemaPaths } from "./definition.ts"
import { type Told, toldOf } from "./told.ts"

const DEFINITIONS = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  resource: "customresourcedefinitions",
  namespaced: false,
  verbs: ["get"],
} as const

const DEPLOYMENTS = {
  group: "apps",
  version: "v1",
  kind: "Deployment",
  resource: "deployments",
  namespaced: true,
  verbs: ["get"],
} as const

interface Deployment {
  readonly spec?: {
    readonly replicas?: number
    readonly template?: {
      readonly spec?: { readonly containers?: ReadonlyArray<{ image?: string }> }
    }
  }
  readonly status?: { readonly readyReplicas?: number }
}

const controllerText = (object: KubeObject): string => {
  const { spec, status } = object as unknown as Deployment
  const images = (spec?.template?.spec?.containers ?? []).map(({ image = "?" }) => image)
  return `${images.join(", ")}, ${status?.readyReplicas ?? 0} of ${spec?.replicas ?? 1} ready`
}

/** What a look at the cluster gave, or why it gave nothing: an absence is an answer here. */
const orWhy = (
  look: Effect.Effect<string, KubeError>,
  absent: string,
): Effect.Effect<string, KubeError> =>
  Effect.catchIf(
    look,
    ({ status }) => status === 404 || status === 403,
    ({ status, reason }) => Effect.succeed(status === 404 ? absent : `cannot be read: ${reason}`),
  )

/** Versions by what has them. */
export type Versions = Readonly<Record<string, string>>

/** What stands beside the client's own. */
export const clusterVersions = (
  here: Here,
  controllerNamespace: string,
): Effect.Effect<Versions, Told> =>
  Effect.gen(function* () {
    const ours = crd()
    const name = { namespace: "", name: `${PLURAL}.${GROUP}` }
    const definition = here.kube
      .get(CALLER, DEFINITIONS, name)
      .pipe(Effect.map((live) => definitionText(schemaPaths(ours), schemaPaths(live))))
    const place = { namespace: controllerNamespace, name: "nopea" }
    const controller = here.kube.get(CALLER, DEPLOYMENTS, place).pipe(Effect.map(controllerText))
    return yield* Effect.all({
      definition: orWhy(definition, "not installed (nopea crd | kubectl apply --server-side -f -)"),
      controller: orWhy(controller, `no Deployment ${controllerNamespace}/nopea`),
      cluster: Effect.succeed(here.server),
    }).pipe(Effect.mapError(toldOf))
  })

/** One line for each. */
export const versionsText = (versions: Versions): string =>
  Object.entries(versions)
    .map(([what, version]) => `${what.padEnd(11)} ${version}`)
    .join("\n")
