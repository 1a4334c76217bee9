// Everything that runs pods, with as many optional fields as one pod spec can have.
import { type Made, make } from "./make.ts"

const labels = { app: "web" }
const selector = { matchLabels: labels }
const image = "registry.example.com/web:1"
const pod = (spec: object = {}, metadata: object = {}) => ({
  metadata: { labels, creationTimestamp: null, ...metadata },
  spec: { containers: [{ name: "web", image }], ...spec },
})
const deployment = (name: string, spec: object, template: object = pod()): Made =>
  make(`apps/v1 Deployment ${name}`, { spec: { replicas: 1, selector, template, ...spec } })
const withPod = (name: string, spec: object, metadata?: object): Made =>
  deployment(name, {}, pod(spec, metadata))
const withContainer = (name: string, more: object): Made =>
  withPod(name, { containers: [{ name: "web", image, ...more }] })
const withVolumes = (name: string, ...volumes: ReadonlyArray<object>): Made =>
  withPod(name, { volumes: volumes.map((volume, i) => ({ name: `v${i}`, ...volume })) })

const http = (path: string) => ({ httpGet: { path, port: "http", scheme: "HTTP" } })
const never = { restartPolicy: "Never" }
const job = (spec: object, template = pod(never)) => ({ suspend: true, template, ...spec })

const DEPLOYMENTS: ReadonlyArray<Made> = [
  deployment("plain", {}),
  deployment("no-replicas", { replicas: null }),
  deployment("strategy", {
    replicas: 3,
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
    minReadySeconds: 5,
    revisionHistoryLimit: 3,
    progressDeadlineSeconds: 300,
    paused: true,
  }),
  deployment("recreate", { strategy: { type: "Recreate", rollingUpdate: null }, replicas: 0 }),
  make("apps/v1 Deployment scaffolded", {
    metadata: { creationTimestamp: null, annotations: { "example.com/owner": "me" }, labels },
    spec: {
      selector,
      strategy: {},
      template: pod({ containers: [{ name: "web", image, resources: {} }] }),
    },
    status: {},
  }),
  withContainer("ports", {
    ports: [
      { containerPort: 53, name: "dns-tcp" },
      { containerPort: 53, name: "dns", protocol: "UDP" },
      { containerPort: 8080, name: "http", protocol: "TCP", hostPort: 18080 },
    ],
  }),
  withContainer("env", {
    env: [
      { name: "A", value: "1" },
      { name: "EMPTY", value: "" },
      { name: "UNSET" },
      { name: "SECRET", valueFrom: { secretKeyRef: { name: "s", key: "k", optional: true } } },
      { name: "CONFIG", valueFrom: { configMapKeyRef: { name: "c", key: "k" } } },
      { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
      { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
    ],
    envFrom: [
      { configMapRef: { name: "c" } },
      { prefix: "S_", secretRef: { name: "s", optional: false } },
    ],
  }),
  withContainer("quantities", {
    resources: {
      requests: { cpu: "1000m", memory: "0.5Gi", "ephemeral-storage": "1e3" },
      limits: { cpu: 2, memory: "1024Mi", "example.com/gpu": "1" },
    },
    resizePolicy: [{ resourceName: "cpu", restartPolicy: "NotRequired" }],
  }),
  withContainer("probes", {
    ports: [{ name: "http", containerPort: 80 }],
    livenessProbe: { ...http("/live"), initialDelaySeconds: 3, periodSeconds: 5 },
    readinessProbe: { tcpSocket: { port: 80 }, failureThreshold: 2, timeoutSeconds: 1 },
    startupProbe: { exec: { command: ["cat", "/ok"] }, successThreshold: 1 },
    lifecycle: { preStop: { exec: { command: ["sleep", "5"] } }, postStart: http("/start") },
  }),
  withContainer("grpc", { livenessProbe: { grpc: { port: 9000, service: "health" } } }),
  withContainer("headers", {
    readinessProbe: { httpGet: { path: "/", port: 80, httpHeaders: [{ name: "X", value: "y" }] } },
  }),
  withContainer("commands", {
    command: ["sh", "-c"],
    args: ["exec web", ""],
    workingDir: "/srv",
    imagePullPolicy: "IfNotPresent",
    stdin: true,
    tty: true,
    terminationMessagePolicy: "FallbackToLogsOnError",
    terminationMessagePath: "/dev/log",
  }),
  withContainer("no-commands", { command: [], args: [], env: [], ports: [] }),
  withContainer("container-security", {
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: "RuntimeDefault" },
      appArmorProfile: { type: "Unconfined" },
    },
  }),
  withPod("mounts", {
    containers: [
      {
        name: "web",
        image,
        volumeMounts: [
          { name: "data", mountPath: "/data", subPath: "web" },
          { name: "tmp", mountPath: "/tmp", readOnly: false },
          { name: "tmp", mountPath: "/var/tmp", mountPropagation: "None" },
        ],
        volumeDevices: [{ name: "raw", devicePath: "/dev/xvda" }],
      },
    ],
    volumes: [
      { name: "data", persistentVolumeClaim: { claimName: "data", readOnly: true } },
      { name: "raw", persistentVolumeClaim: { claimName: "raw" } },
      { name: "tmp", emptyDir: {} },
    ],
  }),
  withVolumes(
    "volumes-plain",
    { emptyDir: { medium: "Memory", sizeLimit: "64Mi" } },
    { hostPath: { path: "/x", type: "DirectoryOrCreate" } },
    { secret: { secretName: "s", defaultMode: 256, items: [{ key: "a", path: "a", mode: 292 }] } },
    { configMap: { name: "c", optional: true, items: [{ key: "a", path: "b" }] } },
    { nfs: { server: "nfs.example.com", path: "/" } },
    { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
  ),
  withVolumes(
    "volumes-projected",
    {
      projected: {
        defaultMode: 420,
        sources: [
          { serviceAccountToken: { path: "token", expirationSeconds: 3600, audience: "x" } },
          { configMap: { name: "c", items: [{ key: "a", path: "a" }] } },
          { secret: { name: "s", optional: true } },
        ],
      },
    },
    { csi: { driver: "csi.example.com", readOnly: true, volumeAttributes: { a: "b" } } },
    { image: { reference: image, pullPolicy: "Always" } },
    {
      ephemeral: {
        volumeClaimTemplate: {
          metadata: { labels },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        },
      },
    },
    { iscsi: { targetPortal: "10.0.0.1:3260", iqn: "iqn.2001-04.com.example:x", lun: 0 } },
    { flexVolume: { driver: "example.com/x", options: { a: "b" }, fsType: "ext4" } },
  ),
  withPod("pod-security", {
    securityContext: {
      fsGroup: 2000,
      fsGroupChangePolicy: "OnRootMismatch",
      runAsGroup: 3000,
      supplementalGroups: [4000, 5000],
      sysctls: [{ name: "net.ipv4.ip_local_port_range", value: "1024 65535" }],
      seLinuxOptions: { level: "s0:c123,c456" },
    },
    automountServiceAccountToken: false,
    serviceAccountName: "web",
    enableServiceLinks: false,
    shareProcessNamespace: true,
    terminationGracePeriodSeconds: 7,
    imagePullSecrets: [{ name: "a" }, { name: "b" }],
  }),
  withPod("affinity", {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: "zone", operator: "In", values: ["a", "b"] }] },
          ],
        },
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 1,
            preference: { matchFields: [{ key: "metadata.name", operator: "In", values: ["n"] }] },
          },
        ],
      },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 100, podAffinityTerm: { topologyKey: "zone", labelSelector: selector } },
        ],
      },
    },
    tolerations: [
      { key: "spot", operator: "Exists", effect: "NoSchedule" },
      { operator: "Exists" },
    ],
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "zone",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: selector,
      },
      { maxSkew: 2, topologyKey: "zone", whenUnsatisfiable: "ScheduleAnyway", minDomains: null },
    ],
    nodeSelector: { disk: "ssd", "kubernetes.io/os": "linux" },
    priorityClassName: "",
    schedulerName: "other",
  }),
  withPod("network", {
    hostNetwork: true,
    hostAliases: [
      { ip: "10.0.0.1", hostnames: ["a", "b"] },
      { ip: "10.0.0.2", hostnames: ["c"] },
    ],
    dnsPolicy: "None",
    dnsConfig: {
      nameservers: ["10.0.0.10"],
      searches: ["x"],
      options: [{ name: "ndots", value: "2" }],
    },
    hostname: "web",
    subdomain: "pods",
    setHostnameAsFQDN: false,
    readinessGates: [{ conditionType: "example.com/ready" }],
  }),
  withPod("init", {
    initContainers: [
      { name: "migrate", image, command: ["migrate"], env: [{ name: "A", value: "1" }] },
      { name: "proxy", image, restartPolicy: "Always", ports: [{ containerPort: 15001 }] },
    ],
    containers: [
      { name: "web", image },
      { name: "log", image, volumeMounts: [{ name: "logs", mountPath: "/logs" }] },
    ],
    volumes: [{ name: "logs", emptyDir: {} }],
  }),
  withPod("empties", {
    nodeSelector: {},
    tolerations: [],
    volumes: [],
    initContainers: null,
    imagePullSecrets: [],
    securityContext: {},
    affinity: {},
    dnsConfig: {},
  }),
  withPod(
    "annotated",
    {},
    { annotations: { "prometheus.io/scrape": "true", "a.b/c": "" }, name: "x" },
  ),
  withPod("claims", {
    resourceClaims: [{ name: "gpu", resourceClaimTemplateName: "gpu" }],
    containers: [{ name: "web", image, resources: { claims: [{ name: "gpu" }] } }],
  }),
]

const claim = (name: string) => ({
  metadata: { name, labels },
  spec: {
    accessModes: ["ReadWriteOnce"],
    storageClassName: "fast",
    resources: { requests: { storage: "10Gi" } },
  },
})

const OTHERS: ReadonlyArray<Made> = [
  make("apps/v1 StatefulSet plain", {
    spec: { selector, serviceName: "db", replicas: 0, template: pod() },
  }),
  make("apps/v1 StatefulSet full", {
    spec: {
      selector,
      serviceName: "db",
      replicas: 0,
      template: pod(),
      podManagementPolicy: "Parallel",
      minReadySeconds: 3,
      revisionHistoryLimit: 2,
      ordinals: { start: 1 },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete", whenScaled: "Retain" },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 1 } },
      volumeClaimTemplates: [claim("data"), claim("wal")],
    },
  }),
  make("apps/v1 DaemonSet plain", { spec: { selector, template: pod() } }),
  make("apps/v1 DaemonSet full", {
    spec: {
      selector,
      template: pod({
        hostPID: true,
        hostIPC: false,
        priority: null,
        tolerations: [{ operator: "Exists" }],
      }),
      minReadySeconds: 1,
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "10%" } },
    },
  }),
  make("apps/v1 ReplicaSet plain", { spec: { selector, replicas: 0, template: pod() } }),
  make("apps/v1 ControllerRevision plain", {
    revision: 3,
    data: { spec: { a: [1, { b: null }] } },
  }),
  make("v1 ReplicationController plain", {
    spec: { replicas: 0, selector: labels, template: pod() },
  }),
  make("v1 PodTemplate plain", { template: pod({ restartPolicy: "Always" }) }),
  make("v1 Pod plain", { metadata: { labels: { app: "alone" } }, spec: pod().spec }),
  make("v1 Pod full", {
    spec: {
      containers: [
        { name: "web", image, ports: [{ containerPort: 1, protocol: "SCTP" }], stdinOnce: true },
      ],
      restartPolicy: "OnFailure",
      activeDeadlineSeconds: 60,
      overhead: null,
      preemptionPolicy: null,
      os: { name: "linux" },
    },
  }),
  make("batch/v1 Job plain", { spec: job({}) }),
  make("batch/v1 Job full", {
    spec: job({
      backoffLimit: 2,
      completions: 3,
      parallelism: 2,
      completionMode: "Indexed",
      backoffLimitPerIndex: 1,
      maxFailedIndexes: 2,
      activeDeadlineSeconds: 100,
      ttlSecondsAfterFinished: 0,
      podReplacementPolicy: "Failed",
      podFailurePolicy: {
        rules: [
          {
            action: "FailJob",
            onExitCodes: { containerName: "web", operator: "In", values: [1, 42] },
          },
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        ],
      },
    }),
  }),
  make("batch/v1 CronJob plain", {
    spec: { schedule: "0 * * * *", jobTemplate: { spec: job({}) } },
  }),
  make("batch/v1 CronJob full", {
    spec: {
      schedule: "*/5 1 * * *",
      timeZone: "Europe/Berlin",
      concurrencyPolicy: "Forbid",
      startingDeadlineSeconds: 10,
      successfulJobsHistoryLimit: 0,
      failedJobsHistoryLimit: 1,
      suspend: true,
      jobTemplate: { metadata: { labels, annotations: {} }, spec: job({ backoffLimit: 0 }) },
    },
  }),
]

export const workloads: ReadonlyArray<Made> = [...DEPLOYMENTS, ...OTHERS]
