// What each provider sends for a push to `main` of acme/shop, as its documentation shows it, cut to the fields around those used.
import { createHmac } from "node:crypto"
import type { ProviderName } from "../../src/webhook/providers.ts"

export const SECRET = "It's a Secret to Everybody"
export const OLD = "0123456789abcdef0123456789abcdef01234567"
export const NEW = "89abcdef0123456789abcdef0123456789abcdef"
export const ZERO = "0".repeat(40)
export const SIGNING = `whsec_${Buffer.alloc(32, 7).toString("base64")}`

export type Headers = Readonly<Record<string, string>>

export interface Sample {
  readonly body: Record<string, unknown>
  readonly headers: Headers
  /** Headers that prove these bytes. */
  readonly sign: (bytes: Buffer, secret?: string) => Headers
  /** The URL that a GitRepository would have. */
  readonly url: string
  /** What stands where in `body`, each used by the decoder. */
  readonly fields: ReadonlyArray<string>
}

const hmac = (bytes: Buffer, secret: string): string =>
  createHmac("sha256", secret).update(bytes).digest("hex")

const push = { ref: "refs/heads/main", before: OLD, after: NEW, commits: [{ id: NEW }] }

const hosted = (host: string) => ({
  full_name: "acme/shop",
  html_url: `https://${host}/acme/shop`,
  clone_url: `https://${host}/acme/shop.git`,
  ssh_url: `git@${host}:acme/shop.git`,
})

const giteaLike = (name: string, elders: ReadonlyArray<string>): Sample => ({
  url: `https://${name}.example/acme/shop`,
  headers: Object.fromEntries([
    ...[name, ...elders].flatMap((one) => [
      [`x-${one}-event`, "push"],
      [`x-${one}-delivery`, `${name}-1`],
    ]),
    ["x-github-event", "push"],
    ["x-github-delivery", `${name}-1`],
  ]),
  body: { ...push, repository: hosted(`${name}.example`) },
  sign: (bytes, secret = SECRET) => {
    const hex = hmac(bytes, secret)
    const own = [name, ...elders].map((one) => [`x-${one}-signature`, hex])
    return { ...Object.fromEntries(own), "x-hub-signature-256": `sha256=${hex}` }
  },
  fields: ["ref", "after", "repository", "repository.clone_url", "repository.ssh_url"],
})

export const SAMPLES: Readonly<Record<ProviderName, Sample>> = {
  github: {
    url: "https://github.com/acme/shop",
    headers: {
      "x-github-event": "push",
      "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    },
    body: {
      ...push,
      created: false,
      deleted: false,
      repository: { id: 1, ...hosted("github.com"), git_url: "git://github.com/acme/shop.git" },
    },
    sign: (bytes, secret = SECRET) => ({
      "x-hub-signature": `sha1=${createHmac("sha1", secret).update(bytes).digest("hex")}`,
      "x-hub-signature-256": `sha256=${hmac(bytes, secret)}`,
    }),
    fields: ["ref", "after", "repository", "repository.clone_url", "repository.git_url"],
  },
  gitlab: {
    url: "git@gitlab.com:acme/shop.git",
    headers: {
      "x-gitlab-event": "Push Hook",
      "idempotency-key": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f",
    },
    body: {
      object_kind: "push",
      event_name: "push",
      ...push,
      checkout_sha: NEW,
      project: {
        web_url: "https://gitlab.com/acme/shop",
        git_ssh_url: "git@gitlab.com:acme/shop.git",
        git_http_url: "https://gitlab.com/acme/shop.git",
        path_with_namespace: "acme/shop",
      },
    },
    sign: (_, secret = SECRET) => ({ "x-gitlab-token": secret }),
    fields: ["ref", "after", "project", "project.git_http_url", "object_kind"],
  },
  bitbucket: {
    url: "https://bitbucket.org/acme/shop.git",
    headers: {
      "x-event-key": "repo:push",
      "x-hook-uuid": "{0b1a2c3d-0000-0000-0000-000000000001}",
      "x-request-uuid": "0b1a2c3d-0000-0000-0000-000000000002",
      "x-attempt-number": "1",
    },
    body: {
      repository: {
        full_name: "acme/shop",
        links: { html: { href: "https://bitbucket.org/acme/shop" } },
      },
      push: {
        changes: [
          { old: null, new: { type: "tag", name: "main", target: { hash: OLD } } },
          {
            old: { type: "branch", name: "main", target: { hash: OLD } },
            new: { type: "branch", name: "main", target: { type: "commit", hash: NEW } },
          },
        ],
      },
    },
    sign: (bytes, secret = SECRET) => ({ "x-hub-signature": `sha256=${hmac(bytes, secret)}` }),
    fields: ["push", "push.changes", "repository", "repository.links", "push.changes.1.new"],
  },
  "bitbucket-server": {
    url: "ssh://git@bitbucket.example:7999/acme/shop.git",
    headers: { "x-event-key": "repo:refs_changed", "x-request-id": "4ea97a1c-1" },
    body: {
      eventKey: "repo:refs_changed",
      repository: {
        slug: "shop",
        project: { key: "ACME" },
        links: {
          clone: [
            { name: "http", href: "https://bitbucket.example/scm/acme/shop.git" },
            { name: "ssh", href: "ssh://git@bitbucket.example:7999/acme/shop.git" },
          ],
        },
      },
      changes: [
        { ref: {}, refId: "refs/tags/main", fromHash: ZERO, toHash: OLD, type: "ADD" },
        { ref: {}, refId: "refs/heads/main", fromHash: OLD, toHash: NEW, type: "UPDATE" },
      ],
    },
    sign: (bytes, secret = SECRET) => ({ "x-hub-signature": `sha256=${hmac(bytes, secret)}` }),
    fields: [
      "changes",
      "changes.1",
      "changes.1.refId",
      "repository.links",
      "repository.links.clone",
    ],
  },
  gogs: giteaLike("gogs", []),
  gitea: giteaLike("gitea", ["gogs"]),
  forgejo: giteaLike("forgejo", ["gitea", "gogs"]),
  azure: {
    url: "git@ssh.dev.azure.com:v3/acme/web/shop",
    headers: { "x-vss-activityid": "f8a4c5a1", "x-vss-subscriptionid": "s-1" },
    body: {
      id: "03c164c2-8912-4d5e-8009-3707d5f83734",
      notificationId: 7,
      eventType: "git.push",
      resource: {
        refUpdates: [
          { name: "refs/heads/other", oldObjectId: OLD, newObjectId: OLD },
          { name: "refs/heads/main", oldObjectId: OLD, newObjectId: NEW },
        ],
        repository: { remoteUrl: "https://acme@dev.azure.com/acme/web/_git/shop" },
      },
    },
    sign: (_, secret = SECRET) => ({
      authorization: `Basic ${Buffer.from(`nopea:${secret}`).toString("base64")}`,
    }),
    fields: ["eventType", "resource", "resource.refUpdates", "resource.repository.remoteUrl"],
  },
}

export const NAMES = Object.keys(SAMPLES) as ReadonlyArray<ProviderName>

export interface Built {
  readonly headers: Headers
  readonly body: Buffer
}

/** A delivery as it would arrive; `signed: false`: without its proof. */
export const build = (
  { body, headers, sign }: Sample,
  over: { readonly secret?: string; readonly signed?: boolean; readonly headers?: Headers } = {},
): Built => {
  const bytes = Buffer.from(JSON.stringify(body))
  const proof = over.signed === false ? {} : sign(bytes, over.secret)
  return {
    headers: { "content-type": "application/json", ...headers, ...proof, ...over.headers },
    body: bytes,
  }
}

/** The body with one field (`a.b.0`) replaced; `undefined`: without it. */
export const replaced = (body: unknown, path: string, value: unknown): Record<string, unknown> => {
  const copy = structuredClone(body) as Record<string, unknown>
  const keys = path.split(".")
  const last = keys.pop() ?? ""
  let at = copy
  for (const key of keys) at = at[key] as Record<string, unknown>
  if (value === undefined) delete at[last]
  else at[last] = value
  return copy
}
