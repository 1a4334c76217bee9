/** URLs of the API server: collections, objects, queries. Every part is encoded. */
import type { ListOptions, ObjectName, ResourceType } from "./Kube.ts"

const encode = encodeURIComponent

/** `/apis/apps/v1/namespaces/shop/deployments`; no namespace: of all namespaces, or cluster-scoped. */
export const collectionPath = (type: ResourceType, namespace = ""): string => {
  const root = type.group === "" ? "/api" : `/apis/${encode(type.group)}`
  const scope = type.namespaced && namespace !== "" ? `/namespaces/${encode(namespace)}` : ""
  return `${root}/${encode(type.version)}${scope}/${encode(type.resource)}`
}

export const objectPath = (
  type: ResourceType,
  { namespace, name }: ObjectName,
  subresource?: "status",
): string =>
  `${collectionPath(type, namespace)}/${encode(name)}${subresource ? `/${subresource}` : ""}`

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** `?a=1&b=2`; what is undefined is left out; `""` where nothing is left. */
export const queryText = (query: Query): string => {
  let text = ""
  for (const key in query) {
    const value = query[key]
    if (value !== undefined) text += `${text === "" ? "?" : "&"}${key}=${encode(value)}`
  }
  return text
}

/** What a list or watch asks for. */
export const selectionPath = (type: ResourceType, chosen: ListOptions, query: Query): string => {
  const { namespace, labelSelector, fieldSelector } = chosen
  return collectionPath(type, namespace) + queryText({ labelSelector, fieldSelector, ...query })
}
