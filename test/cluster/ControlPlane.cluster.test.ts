import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { request } from "undici"
import { describe, expect, it } from "vitest"
import { Api } from "./Api.ts"
import {
  audit,
  auditCount,
  clientCertificate,
  cluster,
  connect,
  freshNamespace,
  markAudit,
} from "./connect.ts"

const run = promisify(execFile)
const api = connect()
const namespace = freshNamespace(api)
const kubectl = async (...args: string[]) =>
  (await run(cluster().bin.kubectl, ["--kubeconfig", cluster().kubeconfig, ...args])).stdout

const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace },
  data,
})

describe("the API server", () => {
  it("talks to kubectl over verified TLS and says which release it is", async () => {
    const version = JSON.parse(await kubectl("version", "-o", "json"))
    expect(version.clientVersion.gitVersion).toBe("v1.36.3")
    expect(version.serverVersion).toMatchObject({ gitVersion: "v1.36.3", major: "1", minor: "36" })
  })

  it("is refused by a client that does not know its authority", async () => {
    await expect(request(`${cluster().server}/version`)).rejects.toThrow(/certificate/)
  })

  it("creates, applies, patches, lists, waits for and deletes objects", async () => {
    await api.create(configMap("created", { a: "1" }))
    await api.apply(configMap("applied", { a: "1" }), { fieldManager: "nopea" })
    await api.patch(configMap("applied"), { data: { b: "2" } })
    const live = await api.waitFor(configMap("applied"), (found) => found?.data.b === "2")
    expect(live.metadata.managedFields.map((one: { manager: string }) => one.manager)).toEqual([
      "nopea",
      "test",
    ])
    const names = (await api.list({ apiVersion: "v1", kind: "ConfigMap", namespace })).map(
      (one) => one.metadata.name,
    )
    expect(names).toEqual(["applied", "created"])
    await api.delete(configMap("created"))
    await api.waitForGone(configMap("created"))
    await api.delete(configMap("created"))
  })

  it("answers a conflict of field managers with 409", async () => {
    await api.apply(configMap("contested", { a: "1" }), { fieldManager: "one" })
    const second = api.apply(configMap("contested", { a: "2" }), { fieldManager: "two" })
    await expect(second).rejects.toMatchObject({ status: 409, reason: "Conflict" })
  })

  it("serves a kind as soon as its definition is applied", async () => {
    await api.applyDefinition({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "gadgets.test.nopea.dev" },
      spec: {
        group: "test.nopea.dev",
        scope: "Namespaced",
        names: { kind: "Gadget", plural: "gadgets" },
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: "object" } },
          },
        ],
      },
    })
    const gadget = {
      apiVersion: "test.nopea.dev/v1",
      kind: "Gadget",
      metadata: { name: "g", namespace },
    }
    await api.create(gadget)
    expect(await api.get(gadget)).toMatchObject({ kind: "Gadget" })
  })
})

describe("users", () => {
  const whoAmI = async (client: Api) => {
    const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" }
    const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    return (await client.call("POST", path, { body: review })).body.status.userInfo
  }

  it("has a user without any grant", async () => {
    const nobody = api.as({ token: cluster().tokens.nobody })
    const read = nobody.list({ apiVersion: "v1", kind: "ConfigMap", namespace })
    await expect(read).rejects.toMatchObject({ status: 403 })
    await nobody.close()
  })

  it("knows the controller by its service account", async () => {
    const controller = api.as({ token: cluster().tokens.controller })
    expect(await whoAmI(controller)).toMatchObject({
      username: "system:serviceaccount:nopea-system:nopea",
    })
    await controller.close()
  })

  it.skipIf(cluster().authority === undefined)("accepts a client certificate", async () => {
    const certificate = await clientCertificate("carol", ["team-a", "team-b"])
    const { server, ca } = cluster()
    const carol = new Api({ server, ca, certificate })
    const user = await whoAmI(carol)
    await carol.close()
    expect(user.username).toBe("carol")
    expect(user.groups).toEqual(
      expect.arrayContaining(["team-a", "team-b", "system:authenticated"]),
    )
  })

  it("issues tokens for service accounts", async () => {
    const account = {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "robot", namespace },
    }
    await api.apply(account)
    const token = (await kubectl("create", "token", "robot", "-n", namespace)).trim()
    const robot = api.as({ token })
    expect((await whoAmI(robot)).username).toBe(`system:serviceaccount:${namespace}:robot`)
    await robot.close()
  })
})

describe.skipIf(!cluster().hasControllerManager)("the controllers", () => {
  it("empty and remove a deleted namespace", async () => {
    const doomed = {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: `${namespace}-doomed` },
    }
    await api.create(doomed)
    await api.create({
      ...configMap("inside"),
      metadata: { name: "inside", namespace: doomed.metadata.name },
    })
    await api.delete(doomed)
    await api.waitForGone(doomed)
  })

  it("collect what a deleted owner leaves behind", async () => {
    const owner = await api.create(configMap("owner"))
    const { name, uid } = owner.metadata
    const owned = configMap("owned")
    const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name, uid }]
    await api.create({ ...owned, metadata: { ...owned.metadata, ownerReferences } })
    await api.delete(owner)
    await api.waitForGone(owned)
  })

  it("make a Deployment's ReplicaSet and pods", async () => {
    const labels = { app: "web" }
    await api.apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "web:1" }] } },
      },
    })
    const live = await api.waitFor(
      { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace } },
      (found) => found?.status?.replicas === 2,
    )
    expect(live.status.unavailableReplicas).toBe(2)
  })
})

describe.skipIf(!cluster().hasAudit)("the audit log", () => {
  const client = connect({ userAgent: "audited/1.0" })

  it("counts requests by user agent, verb and resource from a mark on", async () => {
    await client.create(configMap("audited"))
    const mark = await markAudit()
    for (let turn = 0; turn < 25; turn++) {
      await client.get(configMap("audited"))
      await api.get(configMap("audited"))
    }
    await client.patch(configMap("audited"), { data: { x: "1" } })
    const mine = { userAgent: "audited/1.0", since: mark }
    expect(await auditCount({ ...mine, verb: "get", resource: "configmaps" })).toBe(25)
    expect(await auditCount({ ...mine, verb: ["create", "delete"] })).toBe(0)
    expect(await audit({ ...mine, verb: "patch" })).toMatchObject([
      { user: "admin", resource: "configmaps", namespace, name: "audited", code: 200 },
    ])
    expect(await auditCount({ userAgent: /^audited/, since: await markAudit() })).toBe(0)
  })

  it("counts a watch once, when it starts, and a refused request too", async () => {
    const mark = await markAudit()
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    const query = { watch: "true", timeoutSeconds: "1" }
    await client.call("GET", path, { query })
    const nobody = client.as({ token: cluster().tokens.nobody })
    expect(await nobody.call("GET", path, { query })).toMatchObject({ status: 403 })
    await nobody.close()
    const watches = await audit({ userAgent: "audited/1.0", verb: "watch", since: mark })
    expect(watches.map((one) => [one.user, one.code])).toEqual([
      ["admin", 200],
      ["nobody", 403],
    ])
  })
})
