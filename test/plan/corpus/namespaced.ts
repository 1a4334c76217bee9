// What a namespace holds beside workloads: configuration, network, access, limits, claims.
import { type Made, make } from "./make.ts"

const selector = { app: "web" }
const service = (name: string, spec: object): Made => make(`v1 Service ${name}`, { spec })
const base64 = (text: string): string => Buffer.from(text).toString("base64")
const ingress = (name: string, spec: object, metadata: object = {}): Made =>
  make(`networking.k8s.io/v1 Ingress ${name}`, { metadata, spec })
const policy = (name: string, spec: object): Made =>
  make(`networking.k8s.io/v1 NetworkPolicy ${name}`, { spec })
const scaler = (name: string, spec: object): Made =>
  make(`autoscaling/v2 HorizontalPodAutoscaler ${name}`, {
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
      maxReplicas: 5,
      ...spec,
    },
  })
const backend = (name: string, port: object) => ({ service: { name, port } })

const SERVICES: ReadonlyArray<Made> = [
  service("plain", { selector, ports: [{ port: 80 }] }),
  service("dns", {
    selector,
    ports: [
      { name: "dns-tcp", port: 53 },
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "metrics", port: 9153, protocol: "TCP", targetPort: "metrics" },
    ],
  }),
  service("headless", {
    clusterIP: "None",
    selector,
    ports: [{ port: 5432, name: "db" }],
    publishNotReadyAddresses: true,
  }),
  service("node-port", {
    type: "NodePort",
    externalTrafficPolicy: "Local",
    internalTrafficPolicy: "Cluster",
    selector,
    ports: [{ port: 80, targetPort: 8080, appProtocol: "kubernetes.io/h2c", name: "http" }],
  }),
  service("balancer", {
    type: "LoadBalancer",
    allocateLoadBalancerNodePorts: false,
    loadBalancerClass: "example.com/lb",
    loadBalancerSourceRanges: ["10.0.0.0/8", "192.168.0.0/16"],
    sessionAffinity: "ClientIP",
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 100 } },
    externalIPs: ["203.0.113.1"],
    selector,
    ports: [{ port: 443, name: "https" }],
  }),
  service("external", { type: "ExternalName", externalName: "db.example.com" }),
  service("families", {
    ipFamilies: ["IPv4"],
    ipFamilyPolicy: "SingleStack",
    trafficDistribution: "PreferClose",
    ports: [{ port: 1 }],
    selector: {},
  }),
  service("scaffolded", {
    selector,
    ports: [{ port: 80, targetPort: "http", nodePort: null }],
    clusterIP: null,
  }),
]

const CONFIGURATION: ReadonlyArray<Made> = [
  make("v1 ConfigMap plain", { data: { "a.conf": "x\ny", empty: "" } }),
  make("v1 ConfigMap binary", { binaryData: { blob: base64("\u0000blob") }, data: null }),
  make("v1 ConfigMap empty", { data: {} }),
  make("v1 ConfigMap none", {}),
  make("v1 ConfigMap fixed", { immutable: true, data: { a: "b" } }),
  make("v1 ConfigMap marked", {
    metadata: {
      annotations: { "a/b": "c", note: "" },
      labels: { "app.kubernetes.io/name": "x" },
      finalizers: [],
      ownerReferences: [],
    },
    data: { constructor: "x", ["__proto__"]: "y", "f.k": "z" },
  }),
  make("v1 Secret opaque", { type: "Opaque", data: { a: base64("1"), b: "" } }),
  make("v1 Secret text", { stringData: { a: "1" } }),
  make("v1 Secret docker", {
    type: "kubernetes.io/dockerconfigjson",
    data: { ".dockerconfigjson": base64('{"auths":{}}') },
  }),
  make("v1 Secret basic", {
    type: "kubernetes.io/basic-auth",
    stringData: { username: "u", password: "p" },
  }),
  make("v1 Secret ssh", {
    type: "kubernetes.io/ssh-auth",
    data: { "ssh-privatekey": base64("k") },
  }),
  make("v1 Secret tls", {
    type: "kubernetes.io/tls",
    data: { "tls.crt": "", "tls.key": "" },
  }),
  make("v1 ServiceAccount plain", {}),
  make("v1 ServiceAccount full", {
    automountServiceAccountToken: false,
    imagePullSecrets: [{ name: "a" }, { name: "b" }],
    secrets: [{ name: "x", kind: "Secret" }],
  }),
]

const NETWORK: ReadonlyArray<Made> = [
  ingress("plain", { defaultBackend: backend("web", { number: 80 }) }),
  ingress(
    "full",
    {
      ingressClassName: "nginx",
      tls: [{ hosts: ["a.example.com", "b.example.com"], secretName: "tls" }, { hosts: [] }],
      rules: [
        {
          host: "a.example.com",
          http: {
            paths: [
              { path: "/", pathType: "Prefix", backend: backend("web", { name: "http" }) },
              { path: "/api", pathType: "Exact", backend: backend("api", { number: 8080 }) },
            ],
          },
        },
        {
          http: {
            paths: [
              {
                pathType: "ImplementationSpecific",
                backend: { resource: { apiGroup: "example.com", kind: "Bucket", name: "x" } },
              },
            ],
          },
        },
      ],
    },
    { annotations: { "nginx.ingress.kubernetes.io/rewrite-target": "/$1" } },
  ),
  policy("deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }),
  policy("allow-all", { podSelector: {}, ingress: [{}], egress: [] }),
  policy("full", {
    podSelector: { matchExpressions: [{ key: "app", operator: "NotIn", values: ["x"] }] },
    ingress: [
      {
        from: [
          { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
          {
            namespaceSelector: { matchLabels: { a: "b" } },
            podSelector: { matchLabels: selector },
          },
        ],
        ports: [{ port: 53, protocol: "UDP" }, { port: "http" }, { port: 1000, endPort: 2000 }],
      },
    ],
    egress: [{ to: [{ namespaceSelector: {} }] }],
  }),
  make("discovery.k8s.io/v1 EndpointSlice plain", {
    addressType: "IPv4",
    endpoints: [
      { addresses: ["10.1.2.3"], conditions: { ready: true }, nodeName: "n", zone: "a" },
      { addresses: ["10.1.2.4", "10.1.2.5"], hints: { forZones: [{ name: "a" }] } },
    ],
    ports: [
      { name: "http", port: 80, protocol: "TCP" },
      { name: "dns", port: 53, protocol: "UDP" },
    ],
  }),
  make("v1 Endpoints plain", {
    subsets: [{ addresses: [{ ip: "10.1.2.3" }], ports: [{ port: 80, name: "http" }] }],
  }),
]

const SCALING: ReadonlyArray<Made> = [
  scaler("plain", {}),
  scaler("full", {
    minReplicas: 2,
    metrics: [
      {
        type: "Resource",
        resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 60 } },
      },
      {
        type: "Pods",
        pods: {
          metric: { name: "rps", selector: { matchLabels: selector } },
          target: { type: "AverageValue", averageValue: "1k" },
        },
      },
      {
        type: "ContainerResource",
        containerResource: {
          name: "memory",
          container: "web",
          target: { type: "Utilization", averageUtilization: 70 },
        },
      },
      {
        type: "Object",
        object: {
          metric: { name: "hits" },
          describedObject: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "x" },
          target: { type: "Value", value: "10k" },
        },
      },
    ],
    behavior: {
      scaleDown: {
        stabilizationWindowSeconds: 60,
        selectPolicy: "Min",
        policies: [{ type: "Percent", value: 10, periodSeconds: 60 }],
      },
      scaleUp: { policies: [{ type: "Pods", value: 4, periodSeconds: 15 }] },
    },
  }),
  make("autoscaling/v1 HorizontalPodAutoscaler old", {
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "x" },
      minReplicas: 1,
      maxReplicas: 3,
      targetCPUUtilizationPercentage: 80,
    },
  }),
  make("policy/v1 PodDisruptionBudget least", {
    spec: { minAvailable: "50%", selector: { matchLabels: selector } },
  }),
  make("policy/v1 PodDisruptionBudget most", {
    spec: {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: "AlwaysAllow",
      selector: { matchLabels: selector, matchExpressions: [{ key: "a", operator: "Exists" }] },
    },
  }),
  make("v1 ResourceQuota plain", {
    spec: {
      hard: {
        "requests.cpu": "10",
        "limits.memory": "20Gi",
        "count/deployments.apps": 100,
        pods: "40",
      },
      scopeSelector: {
        matchExpressions: [{ scopeName: "PriorityClass", operator: "In", values: ["low"] }],
      },
    },
  }),
  make("v1 LimitRange plain", {
    spec: {
      limits: [
        {
          type: "Container",
          default: { cpu: "500m", memory: "0.5Gi" },
          defaultRequest: { cpu: ".1" },
          max: { cpu: "2000m" },
          min: { cpu: "1m" },
          maxLimitRequestRatio: { memory: "10" },
        },
        { type: "PersistentVolumeClaim", max: { storage: "1Ti" } },
      ],
    },
  }),
  make("v1 PersistentVolumeClaim plain", {
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  }),
  make("v1 PersistentVolumeClaim full", {
    spec: {
      accessModes: ["ReadWriteMany", "ReadOnlyMany"],
      storageClassName: "",
      volumeMode: "Block",
      selector: { matchLabels: { a: "b" } },
      resources: { requests: { storage: "1.5Gi" }, limits: { storage: "2Gi" } },
      dataSource: { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: "x" },
    },
  }),
  make("coordination.k8s.io/v1 Lease plain", {
    spec: {
      holderIdentity: "me",
      leaseDurationSeconds: 15,
      renewTime: "2026-11-20T10:00:00.000000Z",
      leaseTransitions: 2,
    },
  }),
  make("resource.k8s.io/v1 ResourceClaim plain", {
    spec: {
      devices: {
        requests: [
          {
            name: "gpu",
            exactly: {
              deviceClassName: "gpu.example.com",
              allocationMode: "ExactCount",
              count: 2,
              selectors: [{ cel: { expression: "true" } }],
            },
          },
        ],
        constraints: [{ requests: ["gpu"], matchAttribute: "example.com/zone" }],
      },
    },
  }),
  make("resource.k8s.io/v1 ResourceClaimTemplate plain", {
    spec: {
      metadata: { labels: selector },
      spec: {
        devices: { requests: [{ name: "gpu", exactly: { deviceClassName: "gpu.example.com" } }] },
      },
    },
  }),
]

const ACCESS: ReadonlyArray<Made> = [
  make("rbac.authorization.k8s.io/v1 Role plain", {
    rules: [
      { apiGroups: [""], resources: ["pods", "pods/log"], verbs: ["get", "list"] },
      { apiGroups: ["apps"], resources: ["deployments"], resourceNames: ["web"], verbs: ["*"] },
    ],
  }),
  make("rbac.authorization.k8s.io/v1 Role empty", { rules: [] }),
  make("rbac.authorization.k8s.io/v1 RoleBinding plain", {
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "plain" },
    subjects: [
      { kind: "ServiceAccount", name: "web", namespace: "x" },
      { kind: "User", name: "me", apiGroup: "rbac.authorization.k8s.io" },
      { kind: "Group", name: "us" },
    ],
  }),
]

export const namespaced: ReadonlyArray<Made> = [
  ...SERVICES,
  ...CONFIGURATION,
  ...NETWORK,
  ...SCALING,
  ...ACCESS,
]
