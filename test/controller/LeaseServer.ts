// An API server that serves Leases alone: conditional writes, versions, and a network per client that can fail.
import { Effect } from "effect"
import type { KubeError } from "../../src/domain/errors.ts"
import { formatRef, type KubeObject } from "../../src/domain/object.ts"
import type { Kube, ObjectName, ResourceType } from "../../src/kube/Kube.ts"
import { refused } from "../../src/kube/response.ts"
import { unanswered } from "../../src/kube/unanswered.ts"

type Spec = Readonly<Record<string, unknown>>
interface Body {
  readonly metadata: { readonly resourceVersion?: string }
  readonly spec: Spec
}

/** `lost`: requests are served, their answers never come. */
export type Network = "up" | "down" | "hangs" | "lost" | "forbidden"

const REASONS: Readonly<Record<number, string>> = {
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
}

const failure = (operation: string, { namespace, name }: ObjectName, status: number): KubeError =>
  refused(
    {
      operation,
      subject: formatRef({ group: "coordination.k8s.io", kind: "Lease", namespace, name }),
      kind: "Lease",
    },
    {
      status,
      body: JSON.stringify({
        kind: "Status",
        reason: REASONS[status],
        message: `leases.coordination.k8s.io "${name}" ${REASONS[status]}`,
        details: { name, kind: "leases" },
      }),
    },
  )

export class LeaseServer {
  readonly #leases = new Map<string, KubeObject>()
  #version = 0
  writes = 0

  get(name: ObjectName): KubeObject | undefined {
    return this.#leases.get(`${name.namespace}/${name.name}`)
  }

  holder(name: ObjectName): unknown {
    return (this.get(name)?.["spec"] as Spec | undefined)?.["holderIdentity"]
  }

  delete(name: ObjectName): void {
    this.#leases.delete(`${name.namespace}/${name.name}`)
  }

  create(name: ObjectName, body: KubeObject): KubeObject | number {
    return this.get(name) === undefined ? this.#store(name, body) : 409
  }

  patch(name: ObjectName, { metadata, spec }: Body): KubeObject | number {
    const live = this.get(name)
    if (live === undefined) return 404
    const { resourceVersion = live.metadata.resourceVersion } = metadata
    if (resourceVersion !== live.metadata.resourceVersion) return 409
    const patched = { ...live, spec: { ...(live["spec"] as Spec), ...spec } }
    const isSame = JSON.stringify(patched) === JSON.stringify(live)
    return isSame ? live : this.#store(name, patched)
  }

  #store({ namespace, name }: ObjectName, object: KubeObject): KubeObject {
    this.#version += 1
    this.writes += 1
    const metadata = { ...object.metadata, name, namespace, resourceVersion: `${this.#version}` }
    const stored = { ...object, metadata }
    this.#leases.set(`${namespace}/${name}`, stored)
    return stored
  }
}

/** One process's way to the server. */
export class Client {
  readonly server: LeaseServer
  network: Network = "up"

  constructor(server: LeaseServer) {
    this.server = server
  }

  #ask(
    operation: string,
    name: ObjectName,
    serve: () => KubeObject | number,
  ): Effect.Effect<KubeObject, KubeError> {
    return Effect.suspend(() => {
      if (this.network === "hangs") return Effect.never
      if (this.network === "forbidden") return Effect.fail(failure(operation, name, 403))
      if (this.network === "down") {
        const asked = { operation, subject: name.name, kind: "Lease" }
        const said = { code: "NOPEA-A018", reason: "cannot reach the API server", fix: "" }
        return Effect.fail(unanswered(asked, said))
      }
      const answer = serve()
      if (this.network === "lost") return Effect.never
      return typeof answer === "number"
        ? Effect.fail(failure(operation, name, answer))
        : Effect.succeed(answer)
    })
  }

  readonly kube: Kube["Service"] = {
    get: (_: unknown, _type: ResourceType, name: ObjectName) =>
      this.#ask("get", name, () => this.server.get(name) ?? 404),
    create: (_: unknown, _type: ResourceType, namespace: string, body: KubeObject) => {
      const name = { namespace, name: body.metadata.name }
      return this.#ask("create", name, () => this.server.create(name, body))
    },
    mergePatch: (_: unknown, _type: ResourceType, name: ObjectName, patch: unknown) =>
      this.#ask("patch", name, () => this.server.patch(name, patch as Body)),
  } as unknown as Kube["Service"]
}
