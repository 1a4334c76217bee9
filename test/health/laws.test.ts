import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseGroupKind } from "../../src/domain/object.ts"
import { compute, hasHealth } from "../../src/health/compute.ts"

const KINDS = [
  "apps/Deployment",
  "apps/StatefulSet",
  "apps/DaemonSet",
  "apps/ReplicaSet",
  "batch/Job",
  "batch/CronJob",
  "/Pod",
  "/Service",
  "/ConfigMap",
  "/Namespace",
  "/PersistentVolumeClaim",
  "/PersistentVolume",
  "apiextensions.k8s.io/CustomResourceDefinition",
  "apiregistration.k8s.io/APIService",
  "autoscaling/HorizontalPodAutoscaler",
  "policy/PodDisruptionBudget",
  "networking.k8s.io/Ingress",
  "kulta.io/Rollout",
  ...["Gateway", "GatewayClass", "HTTPRoute", "BackendTLSPolicy", "ReferenceGrant"].map(
    (kind) => `gateway.networking.k8s.io/${kind}`,
  ),
  "example.org/Widget",
  "constructor/toString",
].map(parseGroupKind)

const kind = fc.constantFrom(...KINDS)
const WORDS = [
  ...["True", "False", "Unknown", "Ready", "Available", "Stalled", "Progressing", "Accepted"],
  ...["Programmed", "ResolvedRefs", "Running", "Completed", "Bound", "toString", ""],
]
/** Any JSON, more often of what the rules look at. */
const value: fc.Arbitrary<unknown> = fc.oneof(
  { depthSize: "small" },
  fc.constantFrom<unknown>(...WORDS, null, 0, 1, 2, -1, 1.5, Number.MAX_VALUE, true, false),
  fc.jsonValue({ maxDepth: 2 }),
)
const conditions = fc.array(
  fc.oneof(
    value,
    fc.record(
      { type: value, status: value, reason: value, message: value, observedGeneration: value },
      { requiredKeys: [] },
    ),
  ),
  { maxLength: 4 },
)
const status = fc.record(
  {
    observedGeneration: value,
    conditions: fc.oneof(conditions, value),
    phase: value,
    replicas: value,
    updatedReplicas: value,
    availableReplicas: value,
    readyReplicas: value,
    loadBalancer: value,
    listeners: fc.array(fc.record({ name: value, conditions }), { maxLength: 2 }),
    parents: fc.array(fc.record({ parentRef: value, conditions }), { maxLength: 2 }),
    ancestors: fc.array(fc.record({ ancestorRef: value, conditions }), { maxLength: 2 }),
    containerStatuses: fc.oneof(value, fc.array(fc.record({ name: value, state: value }))),
  },
  { requiredKeys: [] },
)
const object = fc.record(
  {
    metadata: fc.oneof(
      value,
      fc.record(
        { generation: value, finalizers: fc.array(value), deletionTimestamp: value },
        { requiredKeys: [] },
      ),
    ),
    spec: fc.oneof(
      value,
      fc.record(
        { replicas: value, parentRefs: fc.array(value), type: value },
        { requiredKeys: [] },
      ),
    ),
    status: fc.oneof(value, status),
  },
  { requiredKeys: [] },
)

describe("health", () => {
  it("is told of any JSON, with a reason for all that is not healthy", () => {
    fc.assert(
      fc.property(kind, fc.oneof(object, fc.jsonValue()), (one, live) => {
        const { state, reason } = compute(one, live)
        expect(reason === "").toBe(state === "healthy")
      }),
      { numRuns: 2000 },
    )
  })

  it("is never good while its controller has not seen the newest generation", () => {
    const generations = fc.tuple(fc.nat(9), fc.nat(9)).filter(([a, b]) => a !== b)
    fc.assert(
      fc.property(kind, generations, status, (one, [generation, observedGeneration], rest) => {
        const live = { metadata: { generation }, status: { ...rest, observedGeneration } }
        expect(compute(one, live).state).not.toBe("healthy")
      }),
    )
  })

  it("is never good while the object is being deleted", () => {
    fc.assert(
      fc.property(kind, status, (one, rest) => {
        const live = { metadata: { deletionTimestamp: "t" }, status: rest }
        expect(compute(one, live).state).toBe("terminating")
      }),
    )
  })

  it("needs no read where it cannot be anything but good", () => {
    fc.assert(
      fc.property(kind, status, (one, rest) => {
        const { observedGeneration: _, ...seen } = rest
        if (!hasHealth(one)) expect(compute(one, { status: seen }).state).toBe("healthy")
      }),
    )
  })
})
