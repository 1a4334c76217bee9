// A small REST client for tests: what a test arranges and looks at in a cluster, without the code under test.
import { setTimeout as pause } from "node:timers/promises"
import { Agent, request } from "undici"

/** Any Kubernetes object; tests look into it freely. */
// biome-ignore lint/suspicious/noExplicitAny: an unstructured object has no narrower honest type here
export type Json = any

export interface ObjectKey {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

export interface KubeObject extends ObjectKey {
  readonly metadata: ObjectKey["metadata"] & { readonly [field: string]: Json }
  readonly [field: string]: Json
}

export interface Kind {
  readonly apiVersion: string
  readonly kind: string
  /** Absent: all namespaces, or a cluster-scoped kind. */
  readonly namespace?: string
}

export interface Answer {
  readonly status: number
  readonly body: Json
}

export interface Call {
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ApplyOptions {
  /** Default `test`. */
  readonly fieldManager?: string
  readonly force?: boolean
  readonly subresource?: string
  readonly dryRun?: boolean
}

export type PatchType = "merge" | "json" | "strategic"

export interface WaitOptions {
  /** Default 30 s. */
  readonly deadlineMs?: number
  /** What is waited for, in the error's sentence. */
  readonly until?: string
}

/** An answer with a status of 400 or more; `status` and `reason` are the API server's. */
export class ApiFailure extends Error {
  readonly status: number
  readonly reason: string
  constructor(call: string, answer: Answer) {
    const said = answer.body?.message ?? String(answer.body)
    super(`${call} was answered with ${answer.status}: ${said}`)
    this.status = answer.status
    this.reason = answer.body?.reason ?? ""
  }
}

export interface ApiOptions {
  readonly server: string
  readonly ca: string
  readonly token?: string
  /** A client certificate and its key, PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string }
  /** Default `nopea-test`. */
  readonly userAgent?: string
}

interface Resource {
  readonly name: string
  readonly namespaced: boolean
}

const callLimitMs = 30_000

/** Polls until `look` answers something other than undefined; fails with `what` at the deadline. */
export const eventually = async <A>(
  what: string,
  look: () => Promise<A | undefined>,
  deadlineMs = 30_000,
): Promise<A> => {
  const deadline = Date.now() + deadlineMs
  while (true) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`)
    await pause(25)
  }
}

const contentTypes = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const

const parse = (text: string): Json => {
  try {
    return text === "" ? undefined : JSON.parse(text)
  } catch {
    return text
  }
}

const show = ({ kind, metadata }: ObjectKey): string =>
  `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`

/** One identity's view of the API server. */
export class Api {
  readonly options: ApiOptions
  readonly #agent: Agent
  readonly #resources = new Map<string, Map<string, Resource>>()

  constructor(options: ApiOptions) {
    this.options = options
    this.#agent = new Agent({ connect: { ca: options.ca, ...options.certificate } })
  }

  /** The same server as another user, or under another user agent. */
  as(other: { readonly token?: string; readonly userAgent?: string }): Api {
    return new Api({ ...this.options, ...other })
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }

  /** Any request; answers any status. */
  async call(method: string, path: string, call: Call = {}): Promise<Answer> {
    const query = new URLSearchParams(call.query).toString()
    const { token, userAgent = "nopea-test" } = this.options
    const response = await request(`${this.options.server}${path}${query && `?${query}`}`, {
      method: method as "GET",
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(callLimitMs),
      headers: {
        accept: "application/json",
        "user-agent": userAgent,
        "content-type": call.contentType ?? "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...call.headers,
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    })
    return { status: response.statusCode, body: parse(await response.body.text()) }
  }

  async #must(method: string, path: string, call?: Call): Promise<Json> {
    const answer = await this.call(method, path, call)
    if (answer.status >= 400) throw new ApiFailure(`${method} ${path}`, answer)
    return answer.body
  }

  async #discover(apiVersion: string): Promise<Map<string, Resource>> {
    const root = apiVersion.includes("/") ? "/apis" : "/api"
    const { status, body } = await this.call("GET", `${root}/${apiVersion}`)
    const found = new Map<string, Resource>()
    for (const one of status === 200 ? body.resources : [])
      if (!one.name.includes("/")) found.set(one.kind, one)
    this.#resources.set(apiVersion, found)
    return found
  }

  /** The URL path of a kind's collection or of one object. */
  async path(key: Kind | ObjectKey): Promise<string> {
    const { apiVersion, kind } = key
    const known = this.#resources.get(apiVersion)?.get(kind)
    const resource = known ?? (await this.#discover(apiVersion)).get(kind)
    if (resource === undefined)
      throw new Error(`the API server does not know ${apiVersion} ${kind}`)
    const metadata = "metadata" in key ? key.metadata : undefined
    const namespace =
      metadata === undefined ? (key as Kind).namespace : (metadata.namespace ?? "default")
    const root = `${apiVersion.includes("/") ? "/apis" : "/api"}/${apiVersion}`
    const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : ""
    return `${root}${scope}/${resource.name}${metadata === undefined ? "" : `/${metadata.name}`}`
  }

  /** The object, or undefined when there is none. */
  async get(key: ObjectKey): Promise<Json | undefined> {
    const path = await this.path(key)
    const answer = await this.call("GET", path)
    if (answer.status === 404) return undefined
    if (answer.status >= 400) throw new ApiFailure(`GET ${path}`, answer)
    return answer.body
  }

  async list(kind: Kind, labelSelector?: string): Promise<Json[]> {
    const query = labelSelector === undefined ? {} : { labelSelector }
    return (await this.#must("GET", await this.path(kind), { query })).items
  }

  async create(object: KubeObject): Promise<Json> {
    const path = (await this.path(object)).replace(/\/[^/]+$/, "")
    return this.#must("POST", path, { body: object })
  }

  /** Server-side apply. */
  async apply(object: KubeObject, options: ApplyOptions = {}): Promise<Json> {
    const { fieldManager = "test", force = false, subresource, dryRun } = options
    const path = `${await this.path(object)}${subresource === undefined ? "" : `/${subresource}`}`
    const query = { fieldManager, force: String(force), ...(dryRun ? { dryRun: "All" } : {}) }
    return this.#must("PATCH", path, { body: object, query, contentType: contentTypes.apply })
  }

  /** Default: a merge patch by field manager `test`. */
  async patch(
    key: ObjectKey,
    patch: unknown,
    options: ApplyOptions & { readonly type?: PatchType } = {},
  ): Promise<Json> {
    const { fieldManager = "test", subresource, type = "merge" } = options
    const path = `${await this.path(key)}${subresource === undefined ? "" : `/${subresource}`}`
    const call = { body: patch, query: { fieldManager }, contentType: contentTypes[type] }
    return this.#must("PATCH", path, call)
  }

  /** Deletes; an object that is not there is no error. Default propagation: Background. */
  async delete(
    key: ObjectKey,
    propagationPolicy: "Background" | "Foreground" | "Orphan" = "Background",
  ): Promise<void> {
    const path = await this.path(key)
    const answer = await this.call("DELETE", path, { query: { propagationPolicy } })
    if (answer.status >= 400 && answer.status !== 404)
      throw new ApiFailure(`DELETE ${path}`, answer)
  }

  /** Waits until the object is as `holds` says; it is undefined while there is none. */
  async waitFor(
    key: ObjectKey,
    holds: (live: Json | undefined) => boolean,
    options: WaitOptions = {},
  ): Promise<Json> {
    let last: Json
    const look = async () => {
      last = await this.get(key)
      return holds(last) ? { found: last } : undefined
    }
    const what = `${show(key)} ${options.until ?? "is as expected"}`
    const { found } = await eventually(what, look, options.deadlineMs).catch((cause: Error) => {
      throw new Error(`${cause.message}; last seen: ${JSON.stringify(last)?.slice(0, 2_000)}`)
    })
    return found
  }

  waitForGone(key: ObjectKey, deadlineMs?: number): Promise<void> {
    const options = { until: "is gone", ...(deadlineMs === undefined ? {} : { deadlineMs }) }
    return this.waitFor(key, (live) => live === undefined, options)
  }

  /** Applies a CustomResourceDefinition and waits until its kind is served. */
  async applyDefinition(definition: KubeObject): Promise<void> {
    await this.apply(definition, { force: true })
    const spec = definition["spec"]
    await this.waitFor(
      definition,
      (live) =>
        live?.status?.conditions?.some(
          (one: Json) => one.type === "Established" && one.status === "True",
        ) === true,
      { until: "is established" },
    )
    const apiVersion = `${spec.group}/${spec.versions[0].name}`
    await eventually(`${spec.names.kind} is served`, async () =>
      (await this.#discover(apiVersion)).get(spec.names.kind),
    )
  }
}
