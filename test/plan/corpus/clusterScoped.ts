// Kinds without a namespace. Nothing here matches what other tests do.
import { type Made, make } from "./make.ts"

const GROUP = "nothing.example.com"
const rules = [
  {
    apiGroups: [GROUP],
    apiVersions: ["v1"],
    operations: ["CREATE", "UPDATE"],
    resources: ["things"],
    scope: "Namespaced",
  },
]
const service = { namespace: "default", name: "hook", path: "/validate", port: 8443 }
const REVIEWED = { admissionReviewVersions: ["v1"], sideEffects: "None" }
const hooks = (more: object) => [
  { name: "one.example.com", clientConfig: { service }, rules, ...REVIEWED, ...more },
  {
    name: "two.example.com",
    clientConfig: { url: "https://hooks.example.com/" },
    rules,
    ...REVIEWED,
    failurePolicy: "Ignore",
    matchPolicy: "Exact",
    timeoutSeconds: 3,
    objectSelector: { matchLabels: { a: "b" } },
    namespaceSelector: { matchExpressions: [{ key: "c", operator: "DoesNotExist" }] },
    matchConditions: [{ name: "never", expression: "false" }],
  },
]
const AGGREGATE = { matchLabels: { [`${GROUP}/aggregate`]: "true" } }
const ADMISSION = "admissionregistration.k8s.io/v1"
const RBAC = "rbac.authorization.k8s.io/v1"
const FLOW = "flowcontrol.apiserver.k8s.io/v1"

/** `id` keeps the names apart from those of other runs. */
export const clusterScoped = (id: string): ReadonlyArray<Made> => [
  make(`v1 Namespace ${id}-plain`, {}),
  make(`v1 Namespace ${id}-full`, {
    metadata: {
      labels: { "pod-security.kubernetes.io/enforce": "privileged" },
      annotations: { a: "b" },
    },
    spec: { finalizers: ["kubernetes"] },
  }),
  make(`${RBAC} ClusterRole ${id}-plain`, {
    rules: [
      { apiGroups: ["*"], resources: ["*"], verbs: ["get"] },
      { nonResourceURLs: ["/metrics"], verbs: ["get"] },
    ],
  }),
  make(`${RBAC} ClusterRole ${id}-aggregated`, {
    aggregationRule: { clusterRoleSelectors: [AGGREGATE] },
    rules: [],
  }),
  make(`${RBAC} ClusterRoleBinding ${id}-plain`, {
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: `${id}-plain` },
    subjects: [{ kind: "ServiceAccount", name: "nobody", namespace: "default" }],
  }),
  make(`${ADMISSION} ValidatingWebhookConfiguration ${id}`, { webhooks: hooks({}) }),
  make(`${ADMISSION} MutatingWebhookConfiguration ${id}`, {
    webhooks: hooks({ reinvocationPolicy: "IfNeeded", clientConfig: { service, caBundle: "" } }),
  }),
  make(`${ADMISSION} ValidatingAdmissionPolicy ${id}`, {
    spec: {
      failurePolicy: "Fail",
      matchConstraints: { resourceRules: rules, namespaceSelector: {} },
      matchConditions: [{ name: "never", expression: "false" }],
      paramKind: { apiVersion: "v1", kind: "ConfigMap" },
      variables: [{ name: "x", expression: "object.metadata.name" }],
      validations: [
        { expression: "variables.x == 'a'", message: "no", reason: "Forbidden" },
        { expression: "true", messageExpression: "'x'" },
      ],
      auditAnnotations: [{ key: "k", valueExpression: "'v'" }],
    },
  }),
  make(`${ADMISSION} ValidatingAdmissionPolicyBinding ${id}`, {
    spec: {
      policyName: id,
      paramRef: { name: "x", namespace: "default", parameterNotFoundAction: "Allow" },
      matchResources: { namespaceSelector: { matchLabels: { a: "b" } } },
      validationActions: ["Warn", "Audit"],
    },
  }),
  make(`storage.k8s.io/v1 StorageClass ${id}-plain`, { provisioner: "csi.example.com" }),
  make(`storage.k8s.io/v1 StorageClass ${id}-full`, {
    provisioner: "csi.example.com",
    parameters: { type: "ssd", "csi.storage.k8s.io/fstype": "ext4" },
    reclaimPolicy: "Retain",
    volumeBindingMode: "WaitForFirstConsumer",
    allowVolumeExpansion: true,
    mountOptions: ["discard", "noatime"],
    allowedTopologies: [{ matchLabelExpressions: [{ key: "zone", values: ["a", "b"] }] }],
  }),
  make(`storage.k8s.io/v1 CSIDriver ${id}.example.com`, {
    spec: {
      attachRequired: false,
      podInfoOnMount: true,
      fsGroupPolicy: "File",
      volumeLifecycleModes: ["Persistent", "Ephemeral"],
      tokenRequests: [{ audience: "x", expirationSeconds: 3600 }, { audience: "y" }],
    },
  }),
  make(`v1 PersistentVolume ${id}-host`, {
    spec: {
      capacity: { storage: "1024Mi" },
      accessModes: ["ReadWriteOnce"],
      hostPath: { path: "/data" },
      persistentVolumeReclaimPolicy: "Retain",
    },
  }),
  make(`v1 PersistentVolume ${id}-csi`, {
    spec: {
      capacity: { storage: "5Gi" },
      accessModes: ["ReadWriteMany"],
      volumeMode: "Filesystem",
      mountOptions: ["hard"],
      storageClassName: "fast",
      csi: {
        driver: "csi.example.com",
        volumeHandle: "v-1",
        volumeAttributes: { a: "b" },
        nodeStageSecretRef: { name: "s", namespace: "default" },
      },
      claimRef: { namespace: "default", name: "data" },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: "z", operator: "In", values: ["a"] }] }],
        },
      },
    },
  }),
  make(`scheduling.k8s.io/v1 PriorityClass ${id}`, {
    value: 1000,
    globalDefault: false,
    description: "x",
    preemptionPolicy: "Never",
  }),
  make(`node.k8s.io/v1 RuntimeClass ${id}`, {
    handler: "gvisor",
    overhead: { podFixed: { cpu: "250m", memory: "120Mi" } },
    scheduling: { nodeSelector: { a: "b" }, tolerations: [{ key: "x", operator: "Exists" }] },
  }),
  make(`networking.k8s.io/v1 IngressClass ${id}`, {
    spec: {
      controller: "example.com/x",
      parameters: { apiGroup: "example.com", kind: "P", name: "x", scope: "Cluster" },
    },
  }),
  make(`${FLOW} PriorityLevelConfiguration ${id}`, {
    spec: {
      type: "Limited",
      limited: {
        nominalConcurrencyShares: 1,
        lendablePercent: 50,
        limitResponse: { type: "Queue", queuing: { queues: 8, handSize: 2, queueLengthLimit: 5 } },
      },
    },
  }),
  make(`${FLOW} FlowSchema ${id}`, {
    spec: {
      priorityLevelConfiguration: { name: id },
      matchingPrecedence: 9999,
      distinguisherMethod: { type: "ByUser" },
      rules: [
        {
          subjects: [
            { kind: "User", user: { name: "nobody-at-all" } },
            { kind: "ServiceAccount", serviceAccount: { name: "x", namespace: "default" } },
          ],
          resourceRules: [
            {
              verbs: ["get"],
              apiGroups: [GROUP],
              resources: ["things"],
              namespaces: ["*"],
              clusterScope: true,
            },
          ],
          nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/nothing"] }],
        },
      ],
    },
  }),
  make(`resource.k8s.io/v1 DeviceClass ${id}.example.com`, {
    spec: { selectors: [{ cel: { expression: "device.driver == 'x'" } }] },
  }),
  make(`v1 Node ${id}`, {
    spec: {
      podCIDR: "10.9.0.0/24",
      providerID: "x://y",
      taints: [
        { key: "a", effect: "NoSchedule", value: "b" },
        { key: "a", effect: "NoExecute" },
      ],
      unschedulable: true,
    },
  }),
]
