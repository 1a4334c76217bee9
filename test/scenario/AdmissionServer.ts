// An admission webhook as clusters have them: an https server with its own authority, and how it is registered.
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import type { Api, Json, KubeObject } from "../cluster/Api.ts"
import { createAuthority, issueCertificate } from "../cluster/certificates.ts"

export interface Verdict {
  readonly allowed?: boolean
  readonly message?: string
  /** A JSON patch. */
  readonly patch?: ReadonlyArray<Json>
}

export interface Registration {
  readonly kind: "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration"
  /** Only requests in this namespace are sent. */
  readonly namespace: string
  readonly groups: ReadonlyArray<string>
  readonly resources: ReadonlyArray<string>
  readonly operations?: ReadonlyArray<"CREATE" | "UPDATE">
  /** Which objects; default all. */
  readonly objectSelector?: Json
  readonly judge: (request: Json) => Verdict
}

/** Serves any number of webhooks, each at a path of its own. */
export class AdmissionServer {
  readonly seen: Array<Json> = []
  readonly #judges = new Map<string, Registration["judge"]>()
  readonly #registered: Array<KubeObject> = []
  readonly #server: Server
  readonly #folder: string
  readonly #ca: string

  private constructor(server: Server, folder: string, ca: string) {
    this.#server = server
    this.#folder = folder
    this.#ca = ca
    server.on("request", async (request, response) => {
      const review = JSON.parse(await text(request))
      this.seen.push(review.request)
      const {
        allowed = true,
        message,
        patch,
      } = this.#judges.get(request.url?.split("?")[0] ?? "")?.(review.request) ?? {}
      const answer = {
        uid: review.request.uid,
        allowed,
        ...(message === undefined ? {} : { status: { code: 403, message } }),
        ...(patch === undefined || patch.length === 0
          ? {}
          : {
              patchType: "JSONPatch",
              patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
            }),
      }
      response.setHeader("content-type", "application/json")
      response.end(
        JSON.stringify({ apiVersion: review.apiVersion, kind: review.kind, response: answer }),
      )
    })
  }

  static async start(): Promise<AdmissionServer> {
    const folder = await mkdtemp(join(tmpdir(), "nopea-admission-"))
    const { cert: ca } = await createAuthority(folder, "nopea-test-admission")
    const { cert, key } = await issueCertificate(folder, {
      file: "server",
      commonName: "admission",
      names: ["IP:127.0.0.1", "DNS:localhost"],
      usage: "serverAuth",
    })
    const server = createServer({ cert, key })
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
    return new AdmissionServer(server, folder, ca)
  }

  /** The API server asks this webhook from now on; answers how to end that. */
  async register(api: Api, name: string, how: Registration): Promise<() => Promise<void>> {
    this.#judges.set(`/${name}`, how.judge)
    const { port } = this.#server.address() as AddressInfo
    const object: KubeObject = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: how.kind,
      metadata: { name: `${how.namespace}-${name}` },
      webhooks: [
        {
          name: `${name}.${how.namespace}.example`,
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          failurePolicy: "Fail",
          ...(how.kind === "MutatingWebhookConfiguration" ? { reinvocationPolicy: "Never" } : {}),
          clientConfig: {
            url: `https://127.0.0.1:${port}/${name}`,
            caBundle: Buffer.from(this.#ca).toString("base64"),
          },
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": how.namespace } },
          ...(how.objectSelector === undefined ? {} : { objectSelector: how.objectSelector }),
          rules: [
            {
              apiGroups: how.groups,
              apiVersions: ["*"],
              operations: how.operations ?? ["CREATE", "UPDATE"],
              resources: how.resources,
            },
          ],
        },
      ],
    }
    this.#registered.push(object)
    await api.create(object)
    return () => api.delete(object)
  }

  async stop(api: Api): Promise<void> {
    for (const object of this.#registered) await api.delete(object)
    await new Promise((done) => {
      this.#server.close(done)
      this.#server.closeAllConnections()
    })
    await rm(this.#folder, { recursive: true, force: true })
  }
}
