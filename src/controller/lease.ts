/** The Lease of the leader election as a small record, and the bodies that create, claim and release it. */
import { formatApiVersion, type KubeObject } from "../domain/object.ts"
import type { ResourceType } from "../kube/Kube.ts"

export const LEASE_NAME = "nopea"

export const LEASES: ResourceType = {
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  resource: "leases",
  namespaced: true,
  verbs: ["get", "create", "patch"],
}

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/ */
export interface Lease {
  /** Empty: released. */
  readonly holder: string
  /** Milliseconds. */
  readonly duration: number
  readonly acquireTime: string
  readonly renewTime: string
  readonly transitions: number
  readonly resourceVersion: string
}

export type LeaseSpec = Readonly<Record<string, string | number>>

const textIn = (spec: Readonly<Record<string, unknown>>, field: string): string => {
  const value = spec[field]
  return typeof value === "string" ? value : ""
}

const countIn = (spec: Readonly<Record<string, unknown>>, field: string): number => {
  const value = spec[field]
  return typeof value === "number" && value > 0 ? value : 0
}

/** Without a usable duration it lasts `duration` milliseconds, as ours would. */
export const parseLease = (object: KubeObject, duration: number): Lease => {
  const spec = (object["spec"] ?? {}) as Readonly<Record<string, unknown>>
  return {
    holder: textIn(spec, "holderIdentity"),
    duration: countIn(spec, "leaseDurationSeconds") * 1_000 || duration,
    acquireTime: textIn(spec, "acquireTime"),
    renewTime: textIn(spec, "renewTime"),
    transitions: countIn(spec, "leaseTransitions"),
    resourceVersion: object.metadata.resourceVersion ?? "",
  }
}

const microTime = (at: number): string => new Date(at).toISOString().replace("Z", "000Z")

/** Two writes in a row must differ, or the API server drops the second and nobody sees a sign of life. */
const stamp = (wall: number, before: string | undefined): string =>
  microTime(wall) === before ? microTime(wall + 1) : microTime(wall)

export interface Claimant {
  readonly identity: string
  /** Milliseconds. */
  readonly duration: number
  /** Milliseconds since 1970. */
  readonly wall: number
}

/** What the holder writes, over the Lease as it was (`null`: none). */
export const claimed = (before: Lease | null, by: Claimant): LeaseSpec => {
  const renewTime = stamp(by.wall, before?.renewTime)
  const isOurs = before?.holder === by.identity
  return {
    holderIdentity: by.identity,
    leaseDurationSeconds: Math.ceil(by.duration / 1_000),
    acquireTime: (isOurs && before.acquireTime) || renewTime,
    renewTime,
    leaseTransitions: before === null ? 0 : before.transitions + (isOurs ? 0 : 1),
  }
}

export const RELEASED: LeaseSpec = { holderIdentity: "" }

export const leaseBody = (namespace: string, spec: LeaseSpec): KubeObject => ({
  apiVersion: formatApiVersion(LEASES),
  kind: LEASES.kind,
  metadata: { name: LEASE_NAME, namespace, labels: { "app.kubernetes.io/part-of": "nopea" } },
  spec,
})

/** A merge patch that is refused with 409 unless the Lease is still as we know it. */
export const leasePatch = ({ resourceVersion }: Lease, spec: LeaseSpec): unknown => ({
  metadata: { resourceVersion },
  spec,
})
