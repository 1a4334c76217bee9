// Bad input as people and attackers commit it: one row per mistake, with the code that answers it.
import { eventually, type KubeObject, type ObjectKey } from "../cluster/Api.ts"
import type { Files } from "../gitserver/fastImport.ts"
import { configMap, type World } from "./world.ts"

/** Where the failure says that it is. */
export interface Place {
  readonly file?: string
  readonly document?: number
  readonly line?: number
  readonly object?: RegExp
}

/** `name` is unique to the case and fit for a Kubernetes object. */
export interface Setting {
  readonly world: World
  readonly name: string
}

export interface BadInput {
  /** The row's title in the table. */
  readonly input: string
  readonly code: string
  readonly at?: Place
  /** The reason has to say this. */
  readonly says: RegExp
  /** Files that make the commit bad. */
  readonly files?: (setting: Setting) => Files
  /** Files of the good commit before it. */
  readonly before?: (setting: Setting) => Files
  /** Makes the spec bad instead: a merge patch. */
  readonly spec?: (setting: Setting) => Promise<object> | object
  /** The spec from the beginning. */
  readonly start?: (setting: Setting) => object
  /** What the cluster has to hold beforehand. */
  readonly prepare?: (setting: Setting) => Promise<unknown>
  /** The way out, where it is not another commit or spec. */
  readonly mend?: (setting: Setting) => Promise<unknown>
  /** It must not be printed anywhere. */
  readonly secret?: string
}

const LONG = "x".repeat(1000)
const bad = (text: string | Buffer) => (): Files => ({ "bad.yaml": text })
const head = (kind: string, name: string, apiVersion = "v1"): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: ${name}\n`

const deployment = (name: string, fields: string): string =>
  `${head("Deployment", name, "apps/v1")}spec:
  ${fields}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "registry.example/web:1"}]}
`
const selecting = (name: string, app: string): string =>
  deployment(name, `selector: {matchLabels: {app: ${app}}}`).replaceAll("app: web", `app: ${app}`)

export const definition = (plural: string, kind: string): KubeObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.bad-input.example` },
  spec: {
    group: "bad-input.example",
    names: { plural, kind },
    scope: "Namespaced",
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    ],
  },
})

const namespace = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name },
})

/** The case's own namespace beside the world's. */
export const otherNamespace = ({ world, name }: Setting): string => `${world.namespace}-${name}`

const stuck = (setting: Setting) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name: "stuck",
    namespace: otherNamespace(setting),
    finalizers: ["bad-input.example/stuck"],
  },
})

/** A namespace that cannot end: something in it waits for a finalizer. */
const terminating = async (setting: Setting): Promise<void> => {
  const { api } = setting.world
  const holder = namespace(otherNamespace(setting))
  await api.create(holder)
  await api.create(stuck(setting))
  await api.delete(holder)
  await api.waitFor(holder, (live) => live?.status.phase === "Terminating", {
    until: "is terminating",
  })
}

const account = async ({ world, name }: Setting): Promise<void> => {
  const { api } = world
  const metadata = { name, namespace: world.namespace }
  const group = "rbac.authorization.k8s.io"
  await api.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata })
  await api.apply({
    apiVersion: `${group}/v1`,
    kind: "Role",
    metadata,
    rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["*"] }],
  })
  await api.apply({
    apiVersion: `${group}/v1`,
    kind: "RoleBinding",
    metadata,
    roleRef: { apiGroup: group, kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name, namespace: world.namespace }],
  })
}

/** Named after the namespace, because policies belong to the whole cluster. */
export const policyName = (world: World): string => `no-public-${world.namespace}`

const policy = async ({ world }: Setting): Promise<void> => {
  const { api } = world
  const apiVersion = "admissionregistration.k8s.io/v1"
  const metadata = { name: policyName(world) }
  await api.apply({
    apiVersion,
    kind: "ValidatingAdmissionPolicy",
    metadata,
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: [""],
            apiVersions: ["v1"],
            operations: ["CREATE", "UPDATE"],
            resources: ["configmaps", "secrets"],
          },
        ],
      },
      validations: [
        {
          expression: "!has(object.metadata.labels) || !('public' in object.metadata.labels)",
          messageExpression:
            "'label public is not allowed, found ' + object.metadata.labels.public",
        },
      ],
    },
  })
  await api.apply({
    apiVersion,
    kind: "ValidatingAdmissionPolicyBinding",
    metadata,
    spec: {
      policyName: metadata.name,
      validationActions: ["Deny"],
      matchResources: {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": world.namespace } },
      },
    },
  })
  const trial = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "trial", namespace: world.namespace, labels: { public: "true" } },
  }
  await eventually("the policy is enforced", () =>
    api.apply(trial, { dryRun: true }).then(
      () => undefined,
      () => true,
    ),
  )
}

const aliasBomb = `a: &a [${`${LONG}, `.repeat(8)}x]
b: &b [${"*a, ".repeat(9)}*a]
c: &c [${"*b, ".repeat(9)}*b]
d: &d [${"*c, ".repeat(9)}*c]
e: [${"*d, ".repeat(9)}*d]
`

/** Texts that make careless patterns for numbers, times and spaces backtrack. */
const hostileScalars = [
  "1_".repeat(200_000),
  `${"1:".repeat(200_000)}x`,
  `${"0".repeat(400_000)}x`,
  `2026-11-20${" ".repeat(400_000)}x`,
  `${"1e".repeat(200_000)}`,
  `a${" \t".repeat(200_000)}b`,
]
  .map((text, index) => `k${index}: ${text}\n`)
  .join("")

const lfsPointer = `version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
`

const sopsSecret = `${head("Secret", "encrypted")}data:
  password: ENC[AES256_GCM,data:CwE4O1s=,iv:2k=,aad:o=,tag:w==,type:str]
sops:
  lastmodified: "2026-11-20T10:00:00Z"
  version: 3.9.0
`

const FILES: ReadonlyArray<BadInput> = [
  {
    input: "a key twice in one mapping",
    code: "NOPEA-R011",
    at: { file: "bad.yaml", document: 1, line: 7 },
    says: /"value" is written twice.*line 6/u,
    files: ({ name }) => ({ "bad.yaml": `${configMap(name, "x")}  value: again\n` }),
  },
  {
    input: "a tab as indentation",
    code: "NOPEA-R009",
    at: { file: "bad.yaml", document: 1, line: 4 },
    says: /not valid YAML: .*tab/u,
    files: bad("apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: tabs\n"),
  },
  {
    input: "a bracket that is not closed, in the second document",
    code: "NOPEA-R009",
    at: { file: "bad.yaml", document: 2 },
    says: /not valid YAML/u,
    files: bad(`${configMap("unclosed", "x")}---\nkind: [ConfigMap\nmetadata: {}\n`),
  },
  {
    input: "conflict markers of an unfinished merge",
    code: "NOPEA-R009",
    at: { file: "bad.yaml", document: 1, line: 6 },
    says: /conflict markers of an unfinished merge/u,
    files: bad(
      `${head("ConfigMap", "merge")}data:\n<<<<<<< HEAD\n  a: ours\n=======\n  a: theirs\n>>>>>>> feature\n`,
    ),
  },
  {
    input: "a template of Helm that nobody rendered",
    code: "NOPEA-R009",
    at: { file: "bad.yaml", document: 1, line: 4 },
    says: /it is a template/u,
    files: bad("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"),
  },
  {
    input: "a bomb of aliases",
    code: "NOPEA-R013",
    at: { file: "bad.yaml", document: 1 },
    says: /aliases expand/u,
    files: bad(aliasBomb),
  },
  {
    input: "a file of 50 MB",
    code: "NOPEA-R007",
    at: { file: "bad.yaml" },
    says: /50000000 bytes/u,
    files: () => ({ "bad.yaml": Buffer.alloc(50_000_000, "# nothing\n") }),
  },
  {
    input: "100,000 documents in one file",
    code: "NOPEA-R008",
    at: { file: "bad.yaml" },
    says: /100000 documents/u,
    files: bad("---\na: 1\n".repeat(100_000)),
  },
  {
    input: "collections nested 100,000 deep",
    code: "NOPEA-R014",
    at: { file: "bad.yaml", document: 1 },
    says: /nested deeper/u,
    files: bad(`a: ${"[".repeat(100_000)}${"]".repeat(100_000)}\n`),
  },
  {
    input: "texts that make careless patterns run for ever",
    code: "NOPEA-R017",
    at: { file: "bad.yaml", document: 1, line: 1 },
    says: /no apiVersion and no kind/u,
    files: bad(hostileScalars),
  },
  {
    input: "a picture named .yaml",
    code: "NOPEA-R006",
    at: { file: "bad.yaml", line: 1 },
    says: /not text/u,
    files: bad(Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")),
  },
  {
    input: "a file in Latin-1",
    code: "NOPEA-R006",
    at: { file: "bad.yaml", line: 6 },
    says: /not UTF-8/u,
    files: bad(Buffer.from(`${head("ConfigMap", "latin")}data:\n  a: caf\u00e9\n`, "latin1")),
  },
  {
    input: "a file in UTF-16",
    code: "NOPEA-R006",
    at: { file: "bad.yaml", line: 1 },
    says: /UTF-16/u,
    files: bad(Buffer.from(`\ufeff${configMap("wide", "x")}`, "utf16le")),
  },
  {
    input: "a JSON file with a comma too many",
    code: "NOPEA-R010",
    at: { file: "bad.json", document: 1, line: 2 },
    says: /not valid JSON/u,
    files: () => ({ "bad.json": '{"apiVersion": "v1",\n}\n' }),
  },
  {
    input: "a document that is only text",
    code: "NOPEA-R016",
    at: { file: "bad.yaml", document: 1, line: 1 },
    says: /a string, not a Kubernetes object/u,
    files: bad("TODO write this\n"),
  },
  {
    input: "an object without kind",
    code: "NOPEA-R017",
    at: { file: "bad.yaml", document: 1, line: 1 },
    says: /no kind/u,
    files: bad("apiVersion: v1\nmetadata: {name: nobody}\n"),
  },
  {
    input: "an object without name",
    code: "NOPEA-R017",
    at: { file: "bad.yaml", document: 2, line: 9 },
    says: /no metadata\.name/u,
    files: bad(
      `${configMap("named", "x")}---\n# no metadata\napiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n`,
    ),
  },
  {
    input: "generateName",
    code: "NOPEA-R018",
    at: { file: "bad.yaml", document: 1, line: 1 },
    says: /generateName and no name/u,
    files: bad("apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-}\n"),
  },
  {
    input: "a label that is a number, not text",
    code: "NOPEA-R019",
    at: { file: "bad.yaml", document: 1, line: 5 },
    says: /a number as metadata\.labels\["release"\]/u,
    files: bad(`${head("ConfigMap", "number")}  labels: {release: 12}\n`),
  },
  {
    input: "an annotation that is a boolean, not text",
    code: "NOPEA-R019",
    at: { file: "bad.yaml", document: 1, line: 5 },
    says: /a boolean as metadata\.annotations\["scrape"\]/u,
    files: bad(`${head("ConfigMap", "boolean")}  annotations: {scrape: yes}\n`),
  },
  {
    input: "a name that is a path",
    code: "NOPEA-R019",
    at: { file: "bad.yaml", document: 1, line: 4 },
    says: /metadata\.name that is \. or \.\., or holds \//u,
    files: bad(head("ConfigMap", "../../secrets/other")),
  },
  {
    input: "a namespace that is a path",
    code: "NOPEA-R019",
    at: { file: "bad.yaml", document: 1, line: 5 },
    says: /metadata\.namespace that is \. or \.\./u,
    files: bad(`${head("ConfigMap", "up")}  namespace: ..\n`),
  },
  {
    input: "one object in two files",
    code: "NOPEA-R022",
    at: { file: "twice.yaml", document: 1, line: 1, object: /ConfigMap/u },
    says: /declared 2 times: bad\.yaml:1 .*, twice\.yaml:1/u,
    files: ({ name }) => ({
      "bad.yaml": configMap(name, "one"),
      "twice.yaml": configMap(name, "two"),
    }),
  },
  {
    input: "a symbolic link that leaves the repository",
    code: "NOPEA-R003",
    at: { file: "bad.yaml" },
    says: /symbolic link is not followed/u,
    files: () => ({ "bad.yaml": { symlink: "../../../etc/passwd" } }),
  },
  {
    input: "a Git LFS pointer",
    code: "NOPEA-R005",
    at: { file: "bad.yaml", line: 1 },
    says: /LFS pointer/u,
    files: bad(lfsPointer),
  },
  {
    input: "a Secret encrypted with SOPS",
    code: "NOPEA-R021",
    at: { file: "bad.yaml", document: 1, line: 1 },
    says: /encrypted with SOPS/u,
    files: bad(sopsSecret),
  },
  {
    input: "a Helm chart",
    code: "NOPEA-R002",
    at: { file: "chart/Chart.yaml" },
    says: /Helm charts are not rendered/u,
    files: () => ({
      "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
      "chart/templates/web.yaml": "name: {{ .Release.Name }}\n",
    }),
  },
  {
    input: "a kustomization below a path without one",
    code: "NOPEA-R001",
    at: { file: "overlay/kustomization.yaml" },
    says: /kustomization/u,
    files: () => ({ "overlay/kustomization.yaml": "resources: [../good.yaml]\n" }),
  },
]

const OBJECTS: ReadonlyArray<BadInput> = [
  {
    input: "a kind that the cluster does not know (yet)",
    code: "NOPEA-A040",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Gadget/u },
    says: /does not serve Gadget in bad-input\.example\/v1/u,
    files: ({ name }) => ({ "bad.yaml": head("Gadget", name, "bad-input.example/v1") }),
    mend: ({ world }) => world.api.applyDefinition(definition("gadgets", "Gadget")),
  },
  {
    input: "a version of a kind that is no longer served",
    code: "NOPEA-A040",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Deployment/u },
    says: /does not serve Deployment in apps\/v1beta1/u,
    files: ({ name }) => ({
      "bad.yaml": selecting(name, "web").replace("apps/v1", "apps/v1beta1"),
    }),
  },
  {
    input: "a field that the kind does not have",
    code: "NOPEA-A010",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Deployment/u },
    says: /\.spec\.replcas: field not declared in schema/u,
    files: ({ name }) => ({
      "bad.yaml": deployment(name, "replcas: 2\n  selector: {matchLabels: {app: web}}"),
    }),
  },
  {
    input: "a field of the wrong type",
    code: "NOPEA-A010",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Deployment/u },
    says: /\.spec\.replicas: expected numeric/u,
    files: ({ name }) => ({
      "bad.yaml": deployment(name, "replicas: two\n  selector: {matchLabels: {app: web}}"),
    }),
  },
  {
    input: "a value in a ConfigMap that is no text",
    code: "NOPEA-A010",
    at: { file: "bad.yaml", document: 1, line: 1, object: /ConfigMap/u },
    says: /\.data\.port: expected string, got/u,
    files: ({ name }) => ({ "bad.yaml": `${head("ConfigMap", name)}data:\n  port: 8080\n` }),
  },
  {
    input: "a name with capital letters",
    code: "NOPEA-A009",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Web_1/u },
    says: /metadata\.name: .*RFC 1123/u,
    files: bad(head("ConfigMap", "Web_1")),
  },
  {
    input: "a label value with a space",
    code: "NOPEA-A009",
    at: { file: "bad.yaml", document: 1, line: 1, object: /ConfigMap/u },
    says: /metadata\.labels: .*valid label/u,
    files: ({ name }) => ({
      "bad.yaml": `${head("ConfigMap", name)}  labels: {team: "a b"}\n`,
    }),
  },
  {
    input: "a change of an immutable field",
    code: "NOPEA-A004",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Deployment/u },
    says: /field is immutable: spec\.selector/u,
    before: ({ name }) => ({ "bad.yaml": selecting(name, "one") }),
    files: ({ name }) => ({ "bad.yaml": selecting(name, "two") }),
  },
  {
    input: "a namespace that does not exist (yet)",
    code: "NOPEA-A013",
    at: { file: "bad.yaml", document: 1, line: 1, object: /ConfigMap/u },
    says: /namespace .* does not exist/u,
    files: (setting) => ({
      "bad.yaml": configMap("early", "x", `  namespace: ${otherNamespace(setting)}\n`),
    }),
    mend: (setting) => setting.world.api.create(namespace(otherNamespace(setting))),
  },
  {
    input: "a namespace that is being deleted",
    code: "NOPEA-A014",
    at: { file: "bad.yaml", document: 1, line: 1, object: /ConfigMap/u },
    says: /namespace is being deleted/u,
    prepare: terminating,
    files: (setting) => ({
      "bad.yaml": configMap("late", "x", `  namespace: ${otherNamespace(setting)}\n`),
    }),
    mend: async (setting) => {
      const { api } = setting.world
      await api.patch(stuck(setting), { metadata: { finalizers: null } })
      const gone = namespace(otherNamespace(setting))
      await api.waitForGone(gone)
      await api.create(gone)
    },
  },
  {
    input: "a kind that the repository's account may not write",
    code: "NOPEA-A002",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Service/u },
    says: /cannot patch resource "services"/u,
    prepare: account,
    start: ({ name }) => ({ serviceAccountName: name }),
    files: ({ name }) => ({
      "bad.yaml": `${head("Service", name)}spec: {ports: [{port: 80}]}\n`,
    }),
  },
  {
    input: "an object that an admission policy refuses",
    code: "NOPEA-A011",
    at: { file: "bad.yaml", document: 1, line: 1, object: /ConfigMap/u },
    says: /label public is not allowed/u,
    prepare: policy,
    files: ({ name }) => ({
      "bad.yaml": `${head("ConfigMap", name)}  labels: {public: "true"}\n`,
    }),
  },
  {
    input: "a ConfigMap of more than 1 MiB",
    code: "NOPEA-A008",
    at: { file: "bad.yaml", document: 1, line: 1, object: /ConfigMap/u },
    says: /too large/u,
    files: ({ name }) => ({ "bad.yaml": configMap(name, "x".repeat(1_200_000)) }),
  },
  {
    input: "an object larger than any request may be",
    code: "NOPEA-A008",
    at: { file: "bad.yaml", document: 1, line: 1, object: /ConfigMap/u },
    says: /too large/u,
    files: ({ name }) => ({ "bad.yaml": configMap(name, "x".repeat(4_000_000)) }),
  },
  {
    input: "a Secret whose data is not base64",
    code: "NOPEA-A010",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Secret/u },
    says: /not base64/u,
    secret: "hunter2!plain",
    files: ({ name }) => ({
      "bad.yaml": `${head("Secret", name)}data:\n  password: "hunter2!plain"\n`,
    }),
  },
  {
    input: "a Secret with a number in stringData",
    code: "NOPEA-A010",
    at: { file: "bad.yaml", document: 1, line: 1, object: /Secret/u },
    says: /\.stringData\.pin/u,
    secret: "73501946",
    files: ({ name }) => ({ "bad.yaml": `${head("Secret", name)}stringData:\n  pin: 73501946\n` }),
  },
  {
    input: "a request instead of an object (TokenReview)",
    code: "NOPEA-A057",
    at: { file: "bad.yaml", document: 1, line: 1, object: /TokenReview/u },
    says: /is a request/u,
    files: ({ name }) => ({
      "bad.yaml": `${head("TokenReview", name, "authentication.k8s.io/v1")}spec: {token: a}\n`,
    }),
  },
]

const loginPage = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body></body></html>\n"

const SOURCES: ReadonlyArray<BadInput> = [
  {
    input: "a branch that does not exist",
    code: "NOPEA-G006",
    says: /no branch mian \(there is: main\)/u,
    spec: () => ({ branch: "mian" }),
  },
  {
    input: "a path that does not exist",
    code: "NOPEA-G008",
    says: /no directory deploy\/prod/u,
    spec: () => ({ path: "deploy/prod" }),
  },
  {
    input: "a path that names a file",
    code: "NOPEA-G008",
    says: /no directory good\.yaml/u,
    spec: () => ({ path: "good.yaml" }),
  },
  {
    input: "a path that is a symbolic link out of the repository",
    code: "NOPEA-G008",
    says: /no directory out/u,
    before: () => ({ out: { symlink: "../../.." } }),
    spec: () => ({ path: "out" }),
  },
  {
    input: "a repository without a commit",
    code: "NOPEA-G007",
    says: /no commit yet/u,
    spec: async ({ world, name }) => ({ url: (await world.git.createRepo(`${name}-empty`)).url }),
  },
  {
    input: "a repository that does not exist",
    code: "NOPEA-G005",
    says: /not found/u,
    spec: ({ world }) => ({ url: `${world.git.url}/nowhere.git` }),
  },
  {
    input: "a host that does not exist",
    code: "NOPEA-G001",
    says: /[Cc]ould not resolve host/u,
    spec: () => ({ url: "http://nowhere.invalid/web.git" }),
  },
  {
    input: "a web page instead of a repository",
    code: "NOPEA-G024",
    says: /is this a git repository/u,
    spec: async ({ world, name }) => {
      const page = await world.git.createRepo(`${name}-page`)
      page.fail({
        kind: "status",
        code: 200,
        headers: { "content-type": "text/html" },
        body: loginPage,
      })
      return { url: page.url }
    },
  },
]

export const BAD_INPUTS: Readonly<Record<string, ReadonlyArray<BadInput>>> = {
  "Files that cannot be rendered": FILES,
  "Objects that the API server does not take": OBJECTS,
  "Sources that cannot be read": SOURCES,
}

/** Specs that the API server refuses before the controller sees them. */
export const REFUSED_SPECS: ReadonlyArray<readonly [input: string, spec: object, says: RegExp]> = [
  [
    "a URL with credentials in it",
    { url: "https://me:hunter2@git.example/web.git" },
    /must not contain credentials: put them into a Secret/u,
  ],
  ["a path that leaves the repository", { path: "../other" }, /must not leave the repository/u],
  ["an absolute path", { path: "/etc" }, /must be relative to the root/u],
  ["a branch that is an option", { branch: "--upload-pack=id" }, /Git reference name/u],
  ["an interval without unit", { interval: "300" }, /a duration such as|should match/u],
]

/** What looks odd and is right. */
export interface GoodInput {
  readonly input: string
  readonly files: (setting: Setting) => Files
  /** What has to be there afterwards. */
  readonly live: (setting: Setting) => ReadonlyArray<ObjectKey>
  /** Said in an Event. */
  readonly warns?: RegExp
}

const mapOf = ({ world, name }: Setting, space = world.namespace): ObjectKey => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: space },
})

const widget = ({ world, name }: Setting): ObjectKey => ({
  apiVersion: "bad-input.example/v1",
  kind: "Widget",
  metadata: { name, namespace: world.namespace },
})

export const GOOD_INPUTS: ReadonlyArray<GoodInput> = [
  {
    input: "labels and annotations that look like numbers and booleans, quoted",
    files: ({ name }) => ({
      "a.yaml": `${head("ConfigMap", name)}  labels: {release: "12", on: "true"}\n  annotations: {port: '8080'}\n`,
    }),
    live: (setting) => [mapOf(setting)],
  },
  {
    input: "a List",
    files: ({ name }) => ({
      "a.yaml": `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}-2}}\n`,
    }),
    live: (setting) => [mapOf(setting), mapOf({ ...setting, name: `${setting.name}-2` })],
  },
  {
    input: "a CustomResourceDefinition and an object of its kind in one commit",
    files: ({ name }) => ({
      "a.yaml": head("Widget", name, "bad-input.example/v1"),
      "b.json": JSON.stringify(definition("widgets", "Widget")),
    }),
    live: (setting) => [definition("widgets", "Widget"), widget(setting)],
  },
  {
    input: "a Namespace and its content in one commit",
    files: (setting) => ({
      "a.yaml": configMap(setting.name, "x", `  namespace: ${otherNamespace(setting)}\n`),
      "b.json": JSON.stringify(namespace(otherNamespace(setting))),
    }),
    live: (setting) => [
      namespace(otherNamespace(setting)),
      mapOf(setting, otherNamespace(setting)),
    ],
  },
  {
    input: "a byte order mark and Windows line ends",
    files: ({ name }) => ({ "a.yaml": `\ufeff${configMap(name, "x").replaceAll("\n", "\r\n")}` }),
    live: (setting) => [mapOf(setting)],
  },
  {
    input: "empty files, and documents of comments only",
    files: ({ name }) => ({
      "a.yaml": "",
      "b.yaml": `# nothing\n---\n---\n${configMap(name, "x")}---\n# nothing\n`,
      "c.json": "",
    }),
    live: (setting) => [mapOf(setting)],
  },
  {
    input: "files that are no manifests",
    files: ({ name }) => ({
      "README.md": "# {{ title }}",
      "logo.png": Buffer.from([0x89, 0x50, 0, 0xff]),
      ".github/workflows/ci.yml": "on: push\n",
      ".drafts/web.yaml": configMap(name, "draft"),
      "a.yaml": configMap(name, "x"),
    }),
    live: (setting) => [mapOf(setting)],
    warns: /\.drafts: not rendered/u,
  },
  {
    input: "a submodule",
    files: ({ name }) => ({
      "vendored.yaml": { submodule: "4f".repeat(20) },
      "a.yaml": configMap(name, "x"),
    }),
    live: (setting) => [mapOf(setting)],
    warns: /vendored\.yaml: a submodule is not followed/u,
  },
  {
    input: "an object as kubectl get -o yaml prints it",
    files: ({ name, world }) => ({
      "a.yaml": `${head("ConfigMap", name)}  namespace: ${world.namespace}
  uid: 5b2d3a9c-8c2e-4f3a-9a37-0d3f1f1b2c4d
  resourceVersion: "7"
  creationTimestamp: "2026-11-20T10:00:00Z"
  managedFields: []
data: {value: x}
status: {}
`,
    }),
    live: (setting) => [mapOf(setting)],
    warns: /uid/u,
  },
]
