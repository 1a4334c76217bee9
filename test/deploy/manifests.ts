// The files of deploy/ as objects, and an installation of them in a namespace of the test's own.
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { promisify } from "node:util"
import { load, loadAll } from "js-yaml"
import { FILE } from "../../tools/crd.ts"
import type { Api, Json, KubeObject } from "../cluster/Api.ts"
import { cluster } from "../cluster/connect.ts"

const run = promisify(execFile)
const root = join(import.meta.dirname, "..", "..")

/** The CustomResourceDefinition as it is shipped. */
export const definition = async (): Promise<KubeObject> =>
  load(await readFile(FILE, "utf8")) as KubeObject

/** What kubectl builds of a folder of this project. */
export const built = async (folder: string): Promise<ReadonlyArray<KubeObject>> => {
  const { stdout } = await run(cluster().bin.kubectl, ["kustomize", join(root, folder)])
  return loadAll(stdout) as KubeObject[]
}

/** What kubectl builds of a user's kustomization; the folders in it are of this project. */
export const builtBy = async (kustomization: {
  readonly namespace?: string
  readonly resources: ReadonlyArray<string>
  readonly components?: ReadonlyArray<string>
}): Promise<ReadonlyArray<KubeObject>> => {
  const folder = await mkdtemp(join(tmpdir(), "nopea-kustomize-"))
  const from = (path: string) => relative(folder, join(root, path))
  const { resources, components = [], ...rest } = kustomization
  const file = { ...rest, resources: resources.map(from), components: components.map(from) }
  await writeFile(join(folder, "kustomization.yaml"), JSON.stringify(file))
  try {
    const { stdout } = await run(cluster().bin.kubectl, ["kustomize", folder])
    return loadAll(stdout) as KubeObject[]
  } finally {
    await rm(folder, { recursive: true })
  }
}

export const find = (objects: ReadonlyArray<KubeObject>, kind: string): KubeObject => {
  const found = objects.find((one) => one.kind === kind)
  if (found === undefined) throw new Error(`there is no ${kind}`)
  return found
}

const ISOLATED = new Set(["ClusterRole", "ClusterRoleBinding"])

/** The same objects for a controller in `home`: others may be installed on this API server at the same time. */
export const movedTo = (
  home: string,
  objects: ReadonlyArray<KubeObject>,
): ReadonlyArray<KubeObject> =>
  objects
    .filter(({ kind }) => kind !== "CustomResourceDefinition")
    .map((one) => JSON.parse(JSON.stringify(one).replaceAll("nopea-system", home)) as KubeObject)
    .map((one) => {
      const name = (own: string) => `${home}-${own}`
      const { metadata, roleRef } = one
      return {
        ...one,
        metadata: ISOLATED.has(one.kind) ? { ...metadata, name: name(metadata.name) } : metadata,
        ...(roleRef?.kind === "ClusterRole"
          ? { roleRef: { ...roleRef, name: name(roleRef.name) } }
          : {}),
      }
    })

/** Applies them; answers what takes them away. Pods are not run: the Deployment is left out. */
export const install = async (
  api: Api,
  objects: ReadonlyArray<KubeObject>,
): Promise<() => Promise<void>> => {
  const real = objects.filter(({ kind }) => kind !== "Deployment")
  for (const one of real) await api.apply(one, { force: true })
  for (const role of real.filter(({ aggregationRule }) => aggregationRule !== undefined)) {
    const isFilled = (live: Json) => live?.rules?.length > 0
    await api.waitFor(role, isFilled, { until: "is aggregated" })
  }
  return async () => {
    for (const one of real.toReversed()) await api.delete(one)
  }
}

/** A token of a ServiceAccount, as a pod has it. */
export const accountToken = async (api: Api, namespace: string, name: string): Promise<string> => {
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } }
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  }
  const answer = await api.call("POST", `${await api.path(account)}/token`, { body })
  return answer.body.status.token
}

export interface Question {
  readonly verb: string
  readonly group?: string
  readonly resource: string
  readonly subresource?: string
  readonly namespace?: string
  readonly name?: string
}

/** Whether RBAC lets `user` do it. */
export const may = async (api: Api, user: string, question: Question): Promise<boolean> => {
  const review: Json = await api.call(
    "POST",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    {
      body: {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: { user, resourceAttributes: { group: "", ...question } },
      },
    },
  )
  return review.body.status.allowed
}
