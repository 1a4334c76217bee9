import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Fiber, Queue, Stream } from "effect"
import { beforeAll, describe, expect, it } from "vitest"
import { informDistilled } from "../../src/kube/Informer.ts"
import { Kube, type ResourceType } from "../../src/kube/Kube.ts"
import type { AccessOptions } from "../../src/kube/KubeAuth.ts"
import { type KubeHttpOptions, layer } from "../../src/kube/KubeHttp.ts"
import { liveObject } from "../../src/plan/live.ts"
import { type ControlPlane, startControlPlane } from "../cluster/ControlPlane.ts"
import {
  audit,
  auditCount,
  clientCertificate,
  cluster,
  connect,
  freshNamespace,
  markAudit,
} from "../cluster/connect.ts"
import { kubeContract, whole } from "../contract/Kube.contract.ts"

const api = connect()
const namespace = freshNamespace(api, "kube")
const me = { budget: "test/live" }
const options = { fieldManager: "nopea", force: true }
type Kubes = Kube["Service"]

const definition = (kind: string, schema: object = {}) => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${kind.toLowerCase()}s.kube.nopea.dev` },
  spec: {
    group: "kube.nopea.dev",
    scope: "Namespaced",
    names: { kind, plural: `${kind.toLowerCase()}s` },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true, ...schema },
              status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
            },
          },
        },
      },
    ],
  },
})

beforeAll(() => api.applyDefinition(definition("Widget")))

/** Runs with a client of its own, closed afterwards. */
const using = <A>(
  use: (kube: Kubes) => Effect.Effect<A, unknown, Kube>,
  access: AccessOptions & KubeHttpOptions = { kubeconfig: cluster().kubeconfig },
): Promise<A> => Effect.runPromise(Effect.provide(Effect.flatMap(Kube, use), layer(access)))

const kind = (kube: Kubes, group: string, name: string) =>
  Effect.map(kube.discovery(), (found) => found.find({ group, kind: name }) as ResourceType)

kubeContract("on a real API server", () => ({
  layer: layer({ kubeconfig: cluster().kubeconfig }),
  custom: { group: "kube.nopea.dev", kind: "Widget", version: "v1" },
}))

const whoAmI = (access: AccessOptions & KubeHttpOptions, impersonate?: string) =>
  using(
    (kube) =>
      Effect.gen(function* () {
        const type = yield* kind(kube, "authentication.k8s.io", "SelfSubjectReview")
        const caller = impersonate === undefined ? me : { ...me, impersonate }
        const review = {
          apiVersion: "authentication.k8s.io/v1",
          kind: "SelfSubjectReview",
          metadata: {},
        }
        const { status } = yield* kube.create(caller, type, "", review as never)
        return (status as { userInfo: { username: string; groups: ReadonlyArray<string> } })
          .userInfo
      }),
    access,
  )

const withFolder = async <A>(use: (path: string) => Promise<A>): Promise<A> => {
  const path = await mkdtemp(join(tmpdir(), "nopea-kube-"))
  try {
    return await use(path)
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

const configFor = (user: object): string => {
  const { server, ca } = cluster()
  const authority = Buffer.from(ca).toString("base64")
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server, "certificate-authority-data": authority } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  })
}

describe("an identity on a real API server", () => {
  it("comes from the token of a kubeconfig's context", async () => {
    const { kubeconfig } = cluster()
    expect((await whoAmI({ kubeconfig })).username).not.toBe("")
    const controller = await whoAmI({ kubeconfig, context: "controller" })
    expect(controller.username).toBe("system:serviceaccount:nopea-system:nopea")
  })

  it.skipIf(cluster().authority === undefined)("comes from a client certificate", async () => {
    const { cert, key } = await clientCertificate("carol", ["team-a"])
    const base64 = (text: string) => Buffer.from(text).toString("base64")
    const user = { "client-certificate-data": base64(cert), "client-key-data": base64(key) }
    const found = await withFolder(async (path) => {
      await writeFile(join(path, "config"), configFor(user))
      return whoAmI({ kubeconfig: join(path, "config") })
    })
    expect(found).toMatchObject({ username: "carol", groups: ["team-a", "system:authenticated"] })
  })

  it.skipIf(cluster().authority === undefined)(
    "comes from an exec plugin: a token, then a certificate in its place, without a restart",
    async () => {
      const { cert, key } = await clientCertificate("dave")
      await withFolder(async (path) => {
        const print = (status: object) =>
          writeFile(join(path, "credential"), JSON.stringify({ kind: "ExecCredential", status }))
        await writeFile(join(path, "plugin"), `#!/bin/sh\ncat "$(dirname "$0")/credential"\n`)
        await chmod(join(path, "plugin"), 0o700)
        await writeFile(join(path, "config"), configFor({ exec: { command: "./plugin" } }))
        await print({
          token: cluster().tokens.controller,
          expirationTimestamp: new Date(0).toISOString(),
        })
        await using(
          (kube) =>
            Effect.gen(function* () {
              const type = yield* kind(kube, "authentication.k8s.io", "SelfSubjectReview")
              const review = {
                apiVersion: "authentication.k8s.io/v1",
                kind: "SelfSubjectReview",
                metadata: {},
              }
              const user = Effect.map(
                kube.create(me, type, "", review as never),
                ({ status }) => (status as { userInfo: { username: string } }).userInfo.username,
              )
              expect(yield* user).toBe("system:serviceaccount:nopea-system:nopea")
              yield* Effect.promise(() =>
                print({ clientCertificateData: cert, clientKeyData: key }),
              )
              expect(yield* user).toBe("dave")
            }),
          { kubeconfig: join(path, "config") },
        )
      })
    },
  )

  it("comes from the pod's folder, and is read again at once when its token is refused", async () => {
    const { server, ca, tokens } = cluster()
    const { hostname, port } = new URL(server)
    await withFolder(async (path) => {
      await writeFile(join(path, "ca.crt"), ca)
      await writeFile(join(path, "token"), "expired")
      await using(
        (kube) =>
          Effect.gen(function* () {
            const refused = yield* Effect.flip(kube.discovery())
            expect(refused).toMatchObject({ code: "NOPEA-A001", status: 401 })
            yield* Effect.promise(() => writeFile(join(path, "token"), tokens.admin))
            expect((yield* kube.discovery()).types.length).toBeGreaterThan(10)
          }),
        {
          serviceAccountFolder: path,
          environment: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
        },
      )
    })
  })

  it("is given to nobody whose certificate another authority signed", async () => {
    await withFolder(async (path) => {
      const config = JSON.parse(configFor({ token: cluster().tokens.admin }))
      delete config.clusters[0].cluster["certificate-authority-data"]
      await writeFile(join(path, "config"), JSON.stringify(config))
      const error = await using((kube) => Effect.flip(kube.discovery()), {
        kubeconfig: join(path, "config"),
      })
      expect(error).toMatchObject({ code: "NOPEA-A023" })
    })
  })

  it("impersonates a service account with exactly its groups", async () => {
    const { kubeconfig } = cluster()
    const user = `system:serviceaccount:${namespace}:robot`
    const groups = [
      "system:serviceaccounts",
      `system:serviceaccounts:${namespace}`,
      "system:authenticated",
    ]
    const found = await whoAmI({ kubeconfig }, user)
    expect(found.username).toBe(user)
    expect(found.groups.toSorted()).toEqual(groups.toSorted())
  })

  it("needs no right but impersonate on that one account, and says so where it lacks it", async () => {
    const access = { kubeconfig: cluster().kubeconfig, context: "controller" }
    const impersonate = `system:serviceaccount:${namespace}:robot`
    const read = (kube: Kubes) =>
      Effect.gen(function* () {
        const type = yield* kind(kube, "", "ConfigMap")
        return yield* kube.listMetadata({ ...me, impersonate }, type, { namespace })
      })
    expect(await using((kube) => Effect.flip(read(kube)), access)).toMatchObject({
      code: "NOPEA-A002",
      status: 403,
      fix: expect.stringMatching(
        /^grant system:serviceaccount:nopea-system:nopea the verb impersonate/,
      ),
    })
    const rbac = "rbac.authorization.k8s.io"
    const grant = async (name: string, rules: object, subject: object) => {
      await api.apply({
        apiVersion: `${rbac}/v1`,
        kind: "Role",
        metadata: { name, namespace },
        rules: [rules],
      })
      await api.apply({
        apiVersion: `${rbac}/v1`,
        kind: "RoleBinding",
        metadata: { name, namespace },
        roleRef: { apiGroup: rbac, kind: "Role", name },
        subjects: [subject],
      })
    }
    const controller = { kind: "ServiceAccount", name: "nopea", namespace: "nopea-system" }
    const only = {
      apiGroups: [""],
      resources: ["serviceaccounts"],
      resourceNames: ["robot"],
      verbs: ["impersonate"],
    }
    await grant("impersonator", only, controller)
    const forbidden = () => using((kube) => Effect.flip(read(kube)), access)
    await expect
      .poll(async () => (await forbidden()) as { fix: string }, { timeout: 20_000 })
      .toMatchObject({
        fix: `grant ${impersonate} the verb list on configmaps in namespace ${namespace}`,
      })
    await grant(
      "reader",
      { apiGroups: [""], resources: ["configmaps"], verbs: ["list"] },
      { ...controller, name: "robot", namespace },
    )
    await expect
      .poll(async () => (await using((kube) => Effect.result(read(kube)), access))._tag, {
        timeout: 20_000,
      })
      .toBe("Success")
  })
})

const deployment = (name: string, spec: object = {}, metadata: object = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, namespace, ...metadata },
  spec: {
    replicas: 0,
    selector: { matchLabels: { a: "b" } },
    template: {
      metadata: { labels: { a: "b" } },
      spec: { containers: [{ name: "c", image: "x", env: [{ name: "PW", value: "hunter2" }] }] },
    },
    ...spec,
  },
})

const applying = (object: {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string }
}) =>
  using((kube) =>
    Effect.gen(function* () {
      const group = object.apiVersion.includes("/") ? (object.apiVersion.split("/")[0] ?? "") : ""
      const type = yield* kind(kube, group, object.kind)
      const name = { namespace: object.metadata.namespace ?? "", name: object.metadata.name }
      return yield* Effect.result(kube.apply(me, type, name, JSON.stringify(object), options))
    }),
  )

const failing = async (object: Parameters<typeof applying>[0]) => {
  const outcome = await applying(object)
  if (outcome._tag === "Success") throw new Error("was applied")
  expect(JSON.stringify(outcome.failure)).not.toContain("hunter2")
  return outcome.failure
}

describe("an apply that a real API server refuses", () => {
  it("for a field that the schema does not know is the author's error, with its path", async () => {
    expect(await failing(deployment("typo", { replcas: 1 }))).toMatchObject({
      code: "NOPEA-A010",
      status: 500,
      disposition: "stall",
      reason: ".spec.replcas: field not declared in schema",
    })
  })

  it("for a value of a wrong type is the author's error too", async () => {
    expect(await failing(deployment("typed", { replicas: "hunter2" }))).toMatchObject({
      code: "NOPEA-A010",
      disposition: "stall",
      reason: ".spec.replicas: expected numeric (int or float), got string",
    })
  })

  it("for an immutable field names the field and no value", async () => {
    const job = (image: string) => ({
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "migrate", namespace },
      spec: {
        suspend: true,
        template: {
          spec: {
            restartPolicy: "Never",
            containers: [{ name: "c", image, env: [{ name: "PW", value: "hunter2" }] }],
          },
        },
      },
    })
    expect((await applying(job("a")))._tag).toBe("Success")
    expect(await failing(job("b"))).toMatchObject({
      code: "NOPEA-A004",
      disposition: "stall",
      reason: "field is immutable: spec.template.spec",
    })
  })

  it("for several invalid fields names them all", async () => {
    const template = {
      metadata: { labels: { a: "z" } },
      spec: { containers: [{ name: "C_", image: "x" }] },
    }
    const error = await failing(deployment("invalid", { replicas: -1, template }))
    expect(error).toMatchObject({ code: "NOPEA-A009", status: 422, disposition: "stall" })
    for (const field of [
      "spec.replicas: ",
      "spec.template.metadata.labels: ",
      "containers[0].name: ",
    ])
      expect(error.reason).toContain(field)
  })

  it("for its size is the author's error, at the API server's limit and at etcd's", async () => {
    const data = (size: number, parts: number) =>
      Object.fromEntries(Array.from({ length: parts }, (_, i) => [`k${i}`, "y".repeat(size)]))
    const body = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "big", namespace },
      data: data(3_500_000, 1),
    }
    expect(await failing(body)).toMatchObject({
      code: "NOPEA-A008",
      status: 413,
      disposition: "stall",
    })
    const metadata = { name: "big", namespace }
    const widget = {
      apiVersion: "kube.nopea.dev/v1",
      kind: "Widget",
      metadata,
      spec: data(1_000_000, 2),
    }
    expect(await failing(widget)).toMatchObject({ code: "NOPEA-A008", disposition: "stall" })
  })

  it("of a Secret never quotes it", async () => {
    const secret = (fields: object) => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s", namespace },
      ...fields,
    })
    expect(await failing(secret({ data: { pw: "hunter2!" } }))).toMatchObject({
      code: "NOPEA-A010",
      disposition: "stall",
    })
    expect(await failing(secret({ stringData: { pw: { x: "hunter2" } } }))).toMatchObject({
      code: "NOPEA-A010",
      reason: "not as its schema says: .stringData.pw",
    })
    expect(
      await failing(secret({ type: "kubernetes.io/tls", stringData: { "tls.crt": "hunter2" } })),
    ).toMatchObject({
      code: "NOPEA-A009",
      reason: "not valid at data[tls.key]",
    })
  })

  it.skipIf(!cluster().hasControllerManager)(
    "in a namespace that is being deleted waits",
    async () => {
      const doomed = `${namespace}-doomed`
      const held = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "held", namespace: doomed, finalizers: ["nopea.dev/hold"] },
      }
      const home = { apiVersion: "v1", kind: "Namespace", metadata: { name: doomed } }
      await api.create(home)
      await api.create(held)
      await api.delete(home)
      expect(
        await failing({ ...held, metadata: { name: "late", namespace: doomed } }),
      ).toMatchObject({
        code: "NOPEA-A014",
        disposition: "wait",
      })
      await api.patch(held, { metadata: { finalizers: null } })
      await api.waitForGone(home)
    },
  )

  it("because an admission webhook is down comes again", async () => {
    const name = `${namespace}-down`
    const hook = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name },
    }
    await api.create({
      ...hook,
      webhooks: [
        {
          name: "down.nopea.dev",
          sideEffects: "None",
          admissionReviewVersions: ["v1"],
          timeoutSeconds: 1,
          clientConfig: { url: "https://127.0.0.1:1/" },
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
          rules: [
            {
              apiGroups: [""],
              apiVersions: ["v1"],
              operations: ["UPDATE"],
              resources: ["configmaps"],
            },
          ],
        },
      ],
    })
    const object = (x: number) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "hooked", namespace },
      data: { x: String(x) },
    })
    try {
      await applying(object(0))
      let x = 0
      await expect
        .poll(async () => applying(object(++x)), { timeout: 20_000 })
        .toMatchObject({ failure: { code: "NOPEA-A012", disposition: "retry" } })
    } finally {
      await api.delete(hook)
    }
  })

  it("by an admission policy is the author's error", async () => {
    const group = "admissionregistration.k8s.io"
    const name = `${namespace}-policy`
    const policy = {
      apiVersion: `${group}/v1`,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name },
    }
    const binding = {
      apiVersion: `${group}/v1`,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
    }
    const resourceRules = [
      { apiGroups: ["apps"], apiVersions: ["v1"], operations: ["*"], resources: ["deployments"] },
    ]
    const validations = [{ expression: "object.spec.replicas < 5", message: "at most four" }]
    const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": namespace } }
    await api.create({ ...policy, spec: { matchConstraints: { resourceRules }, validations } })
    await api.create({
      ...binding,
      spec: {
        policyName: name,
        validationActions: ["Deny"],
        matchResources: { namespaceSelector },
      },
    })
    try {
      await expect
        .poll(() => applying({ ...deployment("many", { replicas: 9 }) }), { timeout: 20_000 })
        .toMatchObject({
          failure: {
            code: "NOPEA-A011",
            disposition: "stall",
            reason: expect.stringContaining("at most four"),
          },
        })
    } finally {
      await api.delete(binding)
      await api.delete(policy)
    }
  })
})

describe("metadata on a real API server", () => {
  it("carries managedFields after apply, get, list and watch alike, and nothing of the object", async () => {
    const labels = {
      "nopea.io/repository": "web",
      "nopea.io/repository-namespace": namespace,
      "nopea.io/repository-uid": "u1",
    }
    await using((kube) =>
      Effect.gen(function* () {
        const type = yield* kind(kube, "apps", "Deployment")
        const name = { namespace, name: "meta" }
        const before = yield* kube.listMetadata(me, type, { namespace })
        const body = JSON.stringify(deployment("meta", {}, { labels }))
        const { created: _, ...applied } = yield* kube.apply(me, type, name, body, options)
        const chosen = { namespace, labelSelector: "nopea.io/repository-uid=u1" }
        const [event] = yield* kube
          .watchMetadata(me, type, { ...chosen, resourceVersion: before.resourceVersion })
          .pipe(Stream.take(1), Stream.runCollect)
        const seen = [
          applied,
          yield* kube.getMetadata(me, type, name),
          ...(yield* kube.listMetadata(me, type, chosen)).items,
          event && "object" in event ? event.object : undefined,
        ]
        for (const one of seen) {
          expect(Object.keys(one ?? {})).toEqual(["metadata"])
          expect(one && liveObject(type, one.metadata)).toMatchObject({
            proven: true,
            owner: { uid: "u1" },
          })
        }
      }),
    )
  })
})

describe("many objects on a real API server", () => {
  it("are listed page by page, each exactly once", async () => {
    await using((kube) =>
      Effect.gen(function* () {
        const type = yield* kind(kube, "", "ConfigMap")
        const names = Array.from({ length: 1_203 }, (_, i) => `page-${String(i).padStart(5, "0")}`)
        yield* Effect.forEach(
          names,
          (name) => {
            const metadata = { name, namespace, labels: { many: "1" } }
            const object = { apiVersion: "v1", kind: "ConfigMap", metadata }
            return kube.apply(me, type, { namespace, name }, JSON.stringify(object), options)
          },
          { concurrency: 200, discard: true },
        )
        const chosen = { namespace, labelSelector: "many" }
        const thin = yield* kube.listMetadata(me, type, chosen)
        expect(thin.items.map((item) => item.metadata.name)).toEqual(names)
        expect((yield* kube.list(me, type, chosen)).items.length).toBe(1_203)
      }),
    )
  })
})

describe("discovery on a real API server", () => {
  it("knows a kind that was defined a moment ago after a refresh", async () => {
    await using((kube) =>
      Effect.gen(function* () {
        const fresh = { group: "kube.nopea.dev", kind: "Fresh" }
        expect((yield* kube.discovery()).find(fresh)).toBeUndefined()
        yield* Effect.promise(() => api.applyDefinition(definition("Fresh")))
        const poll = Effect.gen(function* () {
          while (true) {
            const found = (yield* kube.discovery("refresh")).find(fresh)
            if (found !== undefined) return found
            yield* Effect.sleep(50)
          }
        })
        expect(yield* Effect.timeout(poll, "20 seconds")).toEqual({
          ...fresh,
          version: "v1",
          resource: "freshs",
          namespaced: true,
          verbs: expect.arrayContaining(["get", "list", "watch", "patch"]),
        })
        expect((yield* kube.discovery()).find(fresh)).toBeDefined()
      }),
    )
  })

  it.skipIf(!cluster().hasAudit)(
    "asks twice, whatever the number of callers, and once more for a refresh",
    async () => {
      const userAgent = `discoverer/${namespace}`
      const since = await markAudit()
      await using(
        (kube) =>
          Effect.gen(function* () {
            yield* Effect.all(
              Array.from({ length: 20 }, () => kube.discovery()),
              { concurrency: "unbounded" },
            )
            yield* kube.discovery("refresh")
          }),
        { kubeconfig: cluster().kubeconfig, userAgent },
      )
      expect(await auditCount({ userAgent, since })).toBe(4)
    },
  )

  it("names a group whose server is down as incomplete, and knows the others", async () => {
    const name = "v1.down.nopea.dev"
    const service = {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name },
    }
    await api.create({
      ...service,
      spec: {
        group: "down.nopea.dev",
        version: "v1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { name: "nowhere", namespace: "default" },
      },
    })
    try {
      await using((kube) =>
        Effect.gen(function* () {
          const poll = Effect.gen(function* () {
            while (true) {
              const found = yield* kube.discovery("refresh")
              if (found.incomplete.length > 0) return found
              yield* Effect.sleep(100)
            }
          })
          const found = yield* Effect.timeout(poll, "30 seconds")
          expect(found.incomplete).toEqual(["down.nopea.dev/v1"])
          expect(found.find({ group: "apps", kind: "Deployment" })?.version).toBe("v1")
        }),
      )
    } finally {
      await api.delete(service)
    }
  })
})

describe("a watch on a real API server", () => {
  /** What a bookmark does is shown on the fake server and in the informer: a real one takes a minute. */
  it.skipIf(!cluster().hasAudit)("asks for bookmarks, and the server takes it", async () => {
    const userAgent = `watcher/${namespace}`
    const since = await markAudit()
    await using(
      (kube) =>
        Effect.gen(function* () {
          const type = yield* kind(kube, "", "ConfigMap")
          const { resourceVersion } = yield* kube.listMetadata(me, type, { namespace })
          const name = { namespace, name: "watched" }
          const object = { apiVersion: "v1", kind: "ConfigMap", metadata: name }
          yield* kube.apply(me, type, name, JSON.stringify(object), options)
          const [event] = yield* kube
            .watchMetadata(me, type, { namespace, resourceVersion })
            .pipe(Stream.take(1), Stream.runCollect)
          expect(event?.type).toBe("ADDED")
        }),
      { kubeconfig: cluster().kubeconfig, userAgent },
    )
    await expect
      .poll(() => audit({ userAgent, since, verb: "watch" }))
      .toContainEqual(
        expect.objectContaining({
          requestURI: expect.stringContaining("allowWatchBookmarks=true"),
        }),
      )
  })

  it("that asks for something senseless is refused with a typed error", async () => {
    const error = await using((kube) =>
      Effect.gen(function* () {
        const type = yield* kind(kube, "", "ConfigMap")
        const watch = kube.watchMetadata(me, type, {
          fieldSelector: "nonsense=1",
          resourceVersion: "1",
        })
        return yield* Effect.flip(Stream.runDrain(watch))
      }),
    )
    expect(error).toMatchObject({ code: "NOPEA-A021", status: 400 })
  })
})

/** Its own control plane: it is stopped, and its history compacted. */
describe.skipIf(process.env["NOPEA_TEST_KUBECONFIG"])("an API server that goes away", () => {
  let plane: ControlPlane

  beforeAll(async () => {
    plane = await startControlPlane({
      controllerManager: false,
      // Compaction every second: positions expire within a test.
      apiServerFlags: ["--etcd-compaction-interval=1s", "--watch-cache=false"],
    })
    return () => plane.stop()
  })

  const access = () => ({ kubeconfig: plane.kubeconfig, watchIdle: 20_000 })

  const put = (kube: Kubes, type: ResourceType, name: string, x: string) => {
    const at = { namespace: "default", name }
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { ...at, labels: { w: "1" } },
      data: { x },
    }
    return kube.apply(me, type, at, JSON.stringify(object), options)
  }

  it("says that a position has expired", async () => {
    await using(
      (kube) =>
        Effect.gen(function* () {
          const type = yield* kind(kube, "", "ConfigMap")
          const { resourceVersion } = yield* kube.listMetadata(me, type)
          const expired = Effect.gen(function* () {
            for (let x = 0; ; x++) {
              yield* put(kube, type, "churn", String(x))
              const watch = kube
                .watchMetadata(me, type, { resourceVersion })
                .pipe(Stream.take(1), Stream.runDrain)
              const outcome = yield* Effect.result(watch)
              if (outcome._tag === "Failure") return outcome.failure
              yield* Effect.sleep(500)
            }
          })
          const error = yield* Effect.timeout(expired, "40 seconds")
          expect(error).toMatchObject({ code: "NOPEA-A007", status: 410 })
        }),
      access(),
    )
  })

  it("and comes back is watched again, and everything that happened in between is told", async () => {
    await using(
      (kube) =>
        Effect.gen(function* () {
          const type = yield* kind(kube, "", "ConfigMap")
          yield* put(kube, type, "before", "1")
          const told = yield* Queue.unbounded<string>()
          const wanted = { caller: me, type, namespace: "default", labelSelector: "w" }
          const informing = yield* informDistilled(wanted, whole).pipe(
            Stream.runForEach((event) => {
              if (event.type === "synced")
                return Queue.offer(
                  told,
                  `synced ${event.objects.map((o) => o.metadata.name).join(",")}`,
                )
              if (event.type === "applied")
                return Queue.offer(told, `applied ${event.object.metadata.name}`)
              return Queue.offer(told, event.type)
            }),
            Effect.forkChild,
          )
          const until = (wantedText: RegExp) =>
            Effect.gen(function* () {
              while (true) if (wantedText.test(yield* Queue.take(told))) return
            }).pipe(Effect.timeout("40 seconds"))
          yield* until(/^synced .*before/)
          yield* Effect.promise(() => plane.stopApiServer())
          yield* until(/^failed$/)
          const down = yield* Effect.flip(
            kube.getMetadata(me, type, { namespace: "default", name: "before" }),
          )
          expect(down).toMatchObject({ code: "NOPEA-A018", disposition: "retry" })
          yield* Effect.promise(() => plane.startApiServer())
          yield* put(kube, type, "after", "1")
          yield* until(/^(applied after|synced .*after)/)
          yield* Fiber.interrupt(informing)
        }),
      access(),
    )
  }, 120_000)
})
