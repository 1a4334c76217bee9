import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { refused, retryAfterOf } from "../../src/kube/response.ts"
import type { Asked, Cause } from "../../src/kube/status.ts"
import { broken } from "../../src/kube/unanswered.ts"

const asked: Asked = { operation: "apply", subject: "apps/Deployment/shop/api", kind: "Deployment" }
const secret: Asked = { operation: "apply", subject: "/Secret/shop/db", kind: "Secret" }

interface Details {
  readonly name?: string
  readonly kind?: string
  readonly causes?: ReadonlyArray<Cause>
}

const status = (message: string, reason = "", details: Details = {}): string =>
  JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", message, reason, details })

const invalid = (...causes: ReadonlyArray<readonly [field: string, message: string]>): string =>
  status('Deployment.apps "api" is invalid: …', "Invalid", {
    name: "api",
    causes: causes.map(([field, message]) => ({ reason: "FieldValueInvalid", field, message })),
  })

/** As kube-apiserver 1.36.3 answered. */
const TABLE: ReadonlyArray<
  readonly [
    string,
    number,
    string,
    { code: string; disposition: string; reason?: RegExp; fix?: RegExp },
  ]
> = [
  [
    "refused credentials",
    401,
    status("Unauthorized", "Unauthorized"),
    { code: "NOPEA-A001", disposition: "retry" },
  ],
  [
    "a missing right",
    403,
    status(
      'deployments.apps "api" is forbidden: User "system:serviceaccount:shop:deployer" cannot patch resource "deployments" in API group "apps" in the namespace "shop"',
      "Forbidden",
      { name: "api", kind: "deployments" },
    ),
    {
      code: "NOPEA-A002",
      disposition: "retry",
      reason: /^User "system:serviceaccount:shop:deployer" cannot patch resource "deployments"/,
      fix: /^grant system:serviceaccount:shop:deployer the verb patch on deployments.apps in namespace shop$/,
    },
  ],
  [
    "a missing right on a cluster-scoped kind",
    403,
    status(
      'nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope',
      "Forbidden",
    ),
    {
      code: "NOPEA-A002",
      disposition: "retry",
      fix: /^grant u the verb list on nodes cluster-wide$/,
    },
  ],
  [
    "a refused impersonation",
    403,
    status(
      'configmaps is forbidden: User "nopea" cannot impersonate-on:serviceaccount:list resource "configmaps" in API group "" in the namespace "shop"',
      "Forbidden",
    ),
    { code: "NOPEA-A002", disposition: "retry", fix: /^grant nopea the verb impersonate on/ },
  ],
  [
    "an escalation of rights",
    403,
    status(
      'roles "r" is forbidden: user "u" is attempting to grant RBAC permissions not currently held: …',
      "Forbidden",
    ),
    { code: "NOPEA-A002", disposition: "retry", fix: /rights that this role holds/ },
  ],
  [
    "an object that is not there",
    404,
    status('deployments.apps "api" not found', "NotFound", { name: "api", kind: "deployments" }),
    { code: "NOPEA-A003", disposition: "retry" },
  ],
  [
    "an immutable field, without the value that holds the environment",
    422,
    invalid([
      "spec.template",
      'Invalid value: {"Containers":[{"Env":[{"Name":"PW","Value":"hunter2"}]}]}: field is immutable',
    ]),
    { code: "NOPEA-A004", disposition: "stall", reason: /^field is immutable: spec.template$/ },
  ],
  [
    "what a StatefulSet does not let change",
    422,
    invalid([
      "spec",
      "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
    ]),
    { code: "NOPEA-A004", disposition: "stall" },
  ],
  [
    "a moved cluster IP",
    422,
    invalid(["spec.clusterIPs[0]", 'Invalid value: ["10.0.0.2"]: may not change once set']),
    { code: "NOPEA-A004", disposition: "stall" },
  ],
  [
    "an immutable field beside an invalid one as invalid",
    422,
    invalid(
      ["spec.selector", "Invalid value: {}: field is immutable"],
      ["spec.replicas", "Invalid value: -1: must be greater than or equal to 0"],
    ),
    {
      code: "NOPEA-A009",
      disposition: "stall",
      reason: /^spec.selector: field is immutable; spec.replicas: must be greater/,
    },
  ],
  [
    "an object that was recreated",
    422,
    invalid(
      ["metadata.uid", 'Invalid value: "1": field is immutable'],
      ["metadata.uid", 'Invalid value: "1": field is immutable'],
    ),
    { code: "NOPEA-A005", disposition: "retry" },
  ],
  [
    "a changed object",
    409,
    status("Operation cannot be fulfilled on …: the object has been modified", "Conflict"),
    { code: "NOPEA-A005", disposition: "retry" },
  ],
  [
    "an object that exists",
    409,
    status('configmaps "x" already exists', "AlreadyExists"),
    { code: "NOPEA-A006", disposition: "retry" },
  ],
  [
    "another field manager",
    409,
    status("Apply failed with 1 conflict", "Conflict", {
      causes: [
        {
          reason: "FieldManagerConflict",
          message: 'conflict with "helm"',
          field: ".spec.replicas",
        },
      ],
    }),
    {
      code: "NOPEA-A026",
      disposition: "retry",
      reason: /^\.spec\.replicas: conflict with "helm"$/,
    },
  ],
  [
    "an expired position",
    410,
    status("too old resource version", "Expired"),
    { code: "NOPEA-A007", disposition: "retry" },
  ],
  [
    "a body over the limit",
    413,
    status("Request entity too large: limit is 3145728", "RequestEntityTooLarge"),
    { code: "NOPEA-A008", disposition: "stall" },
  ],
  [
    "an object over etcd's limit",
    500,
    status("etcdserver: request is too large"),
    { code: "NOPEA-A008", disposition: "stall" },
  ],
  [
    "every invalid field",
    422,
    invalid(
      ["spec.replicas", "Invalid value: -1: must be greater than or equal to 0"],
      [
        "spec.template.metadata.labels",
        'Invalid value: {"a":"z"}: `selector` does not match template `labels`',
      ],
      ["spec.template.spec.containers[0].name", 'Invalid value: "C_": a lowercase RFC 1123 label'],
      ["spec.template.spec.containers[0].image", "Required value"],
      ["spec.x", 'Unsupported value: "hunter2": supported values: "A", "B"'],
      ["spec.y", 'Duplicate value: {"name":"x","value":"hunter2: }"}'],
    ),
    {
      code: "NOPEA-A009",
      disposition: "stall",
      reason:
        /^spec\.replicas: must be .*; spec\.template\.metadata\.labels: `selector` does not .*\[0\]\.name: a lowercase .*; .*image: Required value; spec\.x: supported values: "A", "B"; spec\.y: duplicate value$/,
    },
  ],
  [
    "an unknown field",
    500,
    status(
      "failed to create typed patch object (shop/api; apps/v1, Kind=Deployment): .spec.replcas: field not declared in schema",
    ),
    {
      code: "NOPEA-A010",
      disposition: "stall",
      reason: /^\.spec\.replcas: field not declared in schema$/,
    },
  ],
  [
    "several unknown fields",
    500,
    status(
      "failed to create typed patch object (shop/api; apps/v1, Kind=Deployment): errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema",
    ),
    { code: "NOPEA-A010", disposition: "stall", reason: /^\.spec\.a: field .* \.spec\.b: field/ },
  ],
  [
    "a field of a wrong type, without its value",
    500,
    status(
      'failed to create typed patch object (shop/api; apps/v1, Kind=Deployment): .spec.containers[name="c"].env[name="PW"].value: expected string, got &value.valueUnstructured{Value:9876}',
    ),
    {
      code: "NOPEA-A010",
      disposition: "stall",
      reason: /\.env\[name="PW"\]\.value: expected string, got a number$/,
    },
  ],
  [
    "a list with a key twice",
    500,
    status(
      'failed to create typed patch object (shop/api; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key [name="c"]',
    ),
    { code: "NOPEA-A010", disposition: "stall", reason: /duplicate entries for key \[name="c"\]/ },
  ],
  [
    "a denial by an admission webhook",
    400,
    status('admission webhook "policy.example.com" denied the request: no latest tags'),
    { code: "NOPEA-A011", disposition: "stall", reason: /no latest tags/ },
  ],
  [
    "a denial by an admission policy",
    422,
    status(
      "deployments.apps \"api\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too many replicas",
      "Invalid",
      { name: "api", causes: [{ message: "…" }] },
    ),
    { code: "NOPEA-A011", disposition: "stall", reason: /too many replicas/ },
  ],
  [
    "a violation of pod security",
    403,
    status(
      'pods "p" is forbidden: violates PodSecurity "restricted:latest": privileged',
      "Forbidden",
    ),
    { code: "NOPEA-A011", disposition: "stall" },
  ],
  [
    "an admission webhook that does not answer",
    500,
    status(
      'Internal error occurred: failed calling webhook "w.x.io": failed to call webhook: Post "https://…": connection refused',
      "InternalError",
    ),
    { code: "NOPEA-A012", disposition: "retry", fix: /admission webhook "w\.x\.io"/ },
  ],
  [
    "a namespace that does not exist",
    404,
    status('namespaces "nope" not found', "NotFound", { name: "nope", kind: "namespaces" }),
    { code: "NOPEA-A013", disposition: "wait", reason: /^namespace nope does not exist$/ },
  ],
  [
    "a namespace that is being deleted",
    403,
    status(
      'configmaps "t" is forbidden: unable to create new content in namespace shop because it is being terminated',
      "Forbidden",
      { causes: [{ reason: "NamespaceTerminating", field: "metadata.namespace" }] },
    ),
    { code: "NOPEA-A014", disposition: "wait" },
  ],
  [
    "a kind that its group lacks",
    404,
    status("the server could not find the requested resource", "NotFound"),
    { code: "NOPEA-A015", disposition: "wait" },
  ],
  [
    "a group that is not served",
    404,
    "404 page not found\n",
    { code: "NOPEA-A015", disposition: "wait" },
  ],
  [
    "too many requests",
    429,
    status("Too many requests, please try again later.", "TooManyRequests"),
    { code: "NOPEA-A016", disposition: "retry" },
  ],
  [
    "an unavailable server",
    503,
    "service unavailable",
    { code: "NOPEA-A017", disposition: "retry", reason: /^service unavailable$/ },
  ],
  [
    "an unknown server fault",
    500,
    status("etcdserver: leader changed"),
    { code: "NOPEA-A017", disposition: "retry", reason: /leader changed/ },
  ],
  [
    "a malformed request",
    400,
    status("the name of the object (a) does not match the name on the URL (b)", "BadRequest"),
    { code: "NOPEA-A021", disposition: "stall" },
  ],
  [
    "a verb that is not supported",
    405,
    status("the server does not allow this method on the requested resource", "MethodNotAllowed"),
    { code: "NOPEA-A022", disposition: "stall" },
  ],
  [
    "a format that is not supported",
    415,
    status("415: Unsupported Media Type", "UnsupportedMediaType"),
    { code: "NOPEA-A022", disposition: "stall" },
  ],
  [
    "an exceeded quota",
    403,
    status('configmaps "x" is forbidden: exceeded quota: q, requested: configmaps=1', "Forbidden"),
    { code: "NOPEA-A025", disposition: "wait" },
  ],
]

describe("an answer of the API server", () => {
  it.each(TABLE)("tells %s", (_, code, body, expected) => {
    const { reason, fix, ...rest } = expected
    const error = refused(asked, { status: code, body })
    expect(error).toMatchObject({ ...rest, status: code, subject: asked.subject })
    if (reason !== undefined) expect(error.reason).toMatch(reason)
    if (fix !== undefined) expect(error.fix).toMatch(fix)
    expect(error.fix).not.toBe("")
    expect(error.message).not.toContain("hunter2")
  })

  it("tells the namespace itself as an object that is not there", () => {
    const body = status('namespaces "nope" not found', "NotFound", {
      name: "nope",
      kind: "namespaces",
    })
    const error = refused(
      { operation: "get", subject: "/Namespace/nope", kind: "Namespace" },
      { status: 404, body },
    )
    expect(error.code).toBe("NOPEA-A003")
  })

  it("names field paths of a Secret and nothing that was in it", () => {
    const typed =
      'failed to create typed patch object (shop/db; /v1, Kind=Secret): .stringData.pw: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"x":"hunter2"}}'
    expect(refused(secret, { status: 500, body: status(typed) })).toMatchObject({
      code: "NOPEA-A010",
      reason: "not as its schema says: .stringData.pw",
    })
    const unknown =
      "failed to create typed patch object (shop/db; /v1, Kind=Secret): .dataa: field not declared in schema"
    expect(refused(secret, { status: 500, body: status(unknown) }).reason).toBe(
      "unknown field: .dataa",
    )
    const field = invalid(["data[tls.key]", 'Invalid value: "hunter2": not a key'])
    expect(refused(secret, { status: 422, body: field })).toMatchObject({
      code: "NOPEA-A009",
      reason: "not valid at data[tls.key]",
    })
  })

  it("says that a ConfigMap or Secret as a whole is too large", () => {
    const causes = [
      { reason: "FieldValueTooLong", message: "Too long: may not be more", field: "[]" },
    ]
    const body = JSON.stringify({ kind: "Status", details: { causes } })
    expect(refused(secret, { status: 422, body }).code).toBe("NOPEA-A008")
  })

  it("says of a Secret whose data is not base64 how to write it", () => {
    const message =
      'failed to create typed patch object (shop/db; /v1, Kind=Secret): Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 7'
    const error = refused(secret, { status: 500, body: status(message) })
    expect(error.reason).toBe("a value below data is not base64")
    expect(error.fix).toMatch(/stringData/)
  })

  it("never quotes a Secret, whatever the server says", () => {
    const value = fc.stringMatching(/^[a-zA-Z0-9+/]{12,40}$/)
    const shape = fc.constantFrom(
      (v: string) => `Secret "db" is invalid: data[pw]: Invalid value: "${v}": bad`,
      (v: string) =>
        `failed to create typed patch object (shop/db; /v1, Kind=Secret): .data.pw: expected string, got &value.valueUnstructured{Value:"${v}"}`,
      (v: string) =>
        `failed to convert new object (shop/db; /v1, Kind=Secret) to proper version: ${v}`,
      (v: string) => `admission webhook "w" denied the request: ${v}`,
      (v: string) => `Internal error occurred: failed calling webhook "w": ${v}`,
      (v: string) => `${v}`,
    )
    const code = fc.constantFrom(400, 403, 404, 409, 410, 413, 422, 429, 500, 503)
    fc.assert(
      fc.property(value, shape, code, fc.boolean(), (v, write, http, withCause) => {
        const causes = withCause
          ? [
              {
                reason: "FieldValueInvalid",
                field: "data[pw]",
                message: `Invalid value: "${v}": bad`,
              },
            ]
          : []
        const body = status(write(v), "Invalid", { name: "db", kind: "secrets", causes })
        const { message, reason, fix } = refused(secret, { status: http, body })
        expect(`${message}${reason}${fix}`).not.toContain(v)
      }),
    )
  })

  it("keeps words bounded and on one line", () => {
    const body = status(`a\nb\u0007${"x".repeat(100_000)}`)
    const { reason } = refused(asked, { status: 500, body })
    expect(reason).toMatch(/^a b x+…$/)
    expect(reason.length).toBeLessThanOrEqual(1_000)
  })

  it("bounds the fields it names", () => {
    const causes = Array.from({ length: 40 }, (_, i) => [`spec.f${i}`, "Required value"] as const)
    const { reason } = refused(asked, { status: 422, body: invalid(...causes) })
    expect(reason).toContain("spec.f9")
    expect(reason).toContain("and 30 more")
    expect(reason).not.toContain("spec.f10")
  })

  it("says when to come back", () => {
    const body = status("later", "ServerTimeout")
    expect(refused(asked, { status: 500, body, retryAfter: 2_000 }).retryAfter).toBe(2_000)
    const detailed = JSON.stringify({
      kind: "Status",
      message: "later",
      details: { retryAfterSeconds: 3 },
    })
    expect(refused(asked, { status: 500, body: detailed }).retryAfter).toBe(3_000)
    expect(refused(asked, { status: 500, body })).not.toHaveProperty("retryAfter")
  })
})

describe("Retry-After", () => {
  const now = Date.parse("2026-11-20T10:00:00Z")
  it.each([
    ["5", 5_000],
    ["0", 0],
    ["99999999", 600_000],
    ["Fri, 20 Nov 2026 10:00:30 GMT", 30_000],
    ["Fri, 20 Nov 2026 09:00:00 GMT", 0],
    [["7", "8"], 7_000],
    ["soon", undefined],
    [undefined, undefined],
  ])("%j is %j milliseconds", (header, expected) => {
    expect(retryAfterOf(header, now)).toBe(expected)
  })
})

describe("no answer", () => {
  const coded = (code: string, message = "it broke") => Object.assign(new Error(message), { code })
  it.each([
    ["ECONNREFUSED", "NOPEA-A018", "retry"],
    ["UND_ERR_SOCKET", "NOPEA-A018", "retry"],
    ["SELF_SIGNED_CERT_IN_CHAIN", "NOPEA-A023", "retry"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "NOPEA-A023", "retry"],
  ])("%s is %s", (code, expected, disposition) => {
    expect(broken(asked, coded(code))).toMatchObject({ code: expected, disposition, status: 0 })
  })
})
