/** URLs of the API server: collections, objects, queries. Every part is encoded. */
import { formatApiVersion } from "../domain/object.ts"
import type { ListOptions, ObjectName, ResourceType } from "./Kube.ts"

const encode = encodeURIComponent

/** `/apis/apps/v1/namespaces/shop/deployments`; no namespace: of all namespaces, or cluster-scoped. */
export const collectionPath = (type: ResourceType, namespace?: string): string => {
  const root = type.group === "" ? "/api" : "/apis"
  const version = formatApiVersion(type).split("/").map(encode).join("/")
  const scope =
    type.namespaced && namespace !== undefined && namespace !== ""
      ? `/namespaces/${encode(namespace)}`
      : ""
  return `${root}/${version}${scope}/${encode(type.resource)}`
}

export const objectPath = (type: ResourceType, name: ObjectName, subresource?: string): string =>
  `${collectionPath(type, name.namespace)}/${encode(name.name)}${
    subresource === undefined ? "" : `/${encode(subresource)}`
  }`

/** `?a=1&b=2`; what is undefined is left out; `""` where nothing is left. */
export const queryText = (
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): string => {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [`${encode(key)}=${encode(value)}`],
  )
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`
}

export const selection = (
  options: ListOptions,
): Readonly<Record<"labelSelector" | "fieldSelector", string | undefined>> => ({
  labelSelector: options.labelSelector,
  fieldSelector: options.fieldSelector,
})
