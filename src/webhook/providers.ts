/**
 * What each Git provider sends: how it proves itself, which events are pushes, and where the facts stand in the body.
 * Every field may have any type: what is not as documented counts as absent.
 */
import { Predicate } from "effect"

export type Headers = Readonly<Record<string, string | undefined>>

/** One branch or tag that moved. */
export interface RefChange {
  /** Full: `refs/heads/main`. */
  readonly ref: string
  /** Absent: the ref was deleted, or no commit was told. */
  readonly commit?: string
}

export interface Push {
  /** Every clone URL that was told. */
  readonly urls: ReadonlyArray<string>
  readonly refs: ReadonlyArray<RefChange>
}

export interface Provider {
  /** Headers that tell it from those below it in the table. */
  readonly marks: ReadonlyArray<string>
  /** `digest`: HMAC-SHA256 of the body; `gitlab`: token or Standard Webhooks; `basic`: a password. */
  readonly proof: "digest" | "gitlab" | "basic"
  readonly digests: ReadonlyArray<string>
  /** Of a form post: whether the digest is that of the JSON in it, or of the body as it came. */
  readonly signsPayload: boolean
  /** It switches a hook off that is answered with 4xx. */
  readonly isTouchy: boolean
  readonly ids: ReadonlyArray<string>
  readonly events: ReadonlyArray<string>
  readonly isPush: (event: string, body: unknown) => boolean
  readonly urls: (body: unknown) => ReadonlyArray<string>
  /** `undefined`: it does not say. */
  readonly refs: (body: unknown) => ReadonlyArray<RefChange> | undefined
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/u
const NO_COMMIT = /^0+$/u
const ID = /^[\w{}:.-]{1,128}$/u

/** Of the paths in this file, split once. */
const split = new Map<string, ReadonlyArray<string>>()
const keysIn = (path: string): ReadonlyArray<string> => {
  const keys = split.get(path) ?? path.split(".")
  split.set(path, keys)
  return keys
}

const dig = (value: unknown, path: string): unknown => {
  let at = value
  for (const key of keysIn(path)) {
    if (!(Predicate.isObject(at) && Object.hasOwn(at, key))) return undefined
    at = (at as Record<string, unknown>)[key]
  }
  return at
}

const texts = (body: unknown, ...paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  paths.flatMap((path) => {
    const found = dig(body, path)
    return typeof found === "string" ? [found] : []
  })

const listed = (value: unknown): ReadonlyArray<unknown> | undefined =>
  Array.isArray(value) ? value : undefined

const change = (ref: unknown, id: unknown): ReadonlyArray<RefChange> => {
  if (typeof ref !== "string") return []
  const isCommit = typeof id === "string" && COMMIT.test(id) && !NO_COMMIT.test(id)
  return [{ ref, ...(isCommit ? { commit: id } : {}) }]
}

const oneRef = (body: unknown): ReadonlyArray<RefChange> | undefined => {
  const found = change(dig(body, "ref"), dig(body, "after"))
  return found.length === 0 ? undefined : found
}

/** A list of changes under `list`, each with its ref and its new commit. */
const manyRefs =
  (list: string, ref: string, commit: string) =>
  (body: unknown): ReadonlyArray<RefChange> | undefined =>
    listed(dig(body, list))?.flatMap((one) => change(dig(one, ref), dig(one, commit)))

const BITBUCKET_REFS: Readonly<Record<string, string>> = {
  branch: "refs/heads/",
  tag: "refs/tags/",
}

/** Of a deleted ref only `old` is there. */
const bitbucketChange = (one: unknown): ReadonlyArray<RefChange> => {
  const target = dig(one, "new") ?? dig(one, "old")
  const [name = ""] = texts(target, "name")
  const [type = ""] = texts(target, "type")
  const prefix = Object.hasOwn(BITBUCKET_REFS, type) ? BITBUCKET_REFS[type] : undefined
  const isThere = name !== "" && prefix !== undefined
  return isThere ? change(`${prefix}${name}`, dig(one, "new.target.hash")) : []
}

const REPOSITORY_URLS = ["clone_url", "ssh_url", "git_url", "html_url"].map(
  (u) => `repository.${u}`,
)

const github: Provider = {
  marks: ["x-github-event"],
  proof: "digest",
  digests: ["x-hub-signature-256"],
  signsPayload: false,
  isTouchy: false,
  ids: ["x-github-delivery"],
  events: ["x-github-event"],
  isPush: (event) => event === "push",
  urls: (body) => texts(body, ...REPOSITORY_URLS),
  refs: oneRef,
}

/** Gitea and its kin call their headers alike; each also sends those of its elders. */
const giteaLike = (...names: ReadonlyArray<string>): Provider => ({
  ...github,
  marks: [`x-${names[0]}-event`],
  digests: names.map((name) => `x-${name}-signature`),
  signsPayload: true,
  ids: names.map((name) => `x-${name}-delivery`),
  events: names.map((name) => `x-${name}-event`),
})

const gitlab: Provider = {
  ...github,
  marks: ["x-gitlab-event"],
  proof: "gitlab",
  isTouchy: true,
  ids: ["idempotency-key", "webhook-id"],
  events: ["x-gitlab-event"],
  isPush: (event, body) => {
    const kind = dig(body, "object_kind")
    const isSystemPush = event === "System Hook" && (kind === "push" || kind === "tag_push")
    return event === "Push Hook" || event === "Tag Push Hook" || isSystemPush
  },
  urls: (body) => [
    ...texts(body, "project.git_http_url", "project.git_ssh_url", "project.web_url"),
    ...texts(body, "repository.git_http_url", "repository.git_ssh_url"),
  ],
}

const bitbucket: Provider = {
  ...github,
  marks: ["x-hook-uuid"],
  digests: ["x-hub-signature"],
  ids: ["x-request-uuid"],
  events: ["x-event-key"],
  isPush: (event) => event === "repo:push",
  urls: (body) => [
    ...texts(body, "repository.links.html.href"),
    ...texts(body, "repository.full_name").map((name) => `https://bitbucket.org/${name}`),
  ],
  refs: (body) => listed(dig(body, "push.changes"))?.flatMap(bitbucketChange),
}

const bitbucketServer: Provider = {
  ...bitbucket,
  marks: ["x-event-key"],
  ids: ["x-request-id"],
  isPush: (event) => event === "repo:refs_changed",
  urls: (body) =>
    (listed(dig(body, "repository.links.clone")) ?? []).flatMap((link) => texts(link, "href")),
  refs: manyRefs("changes", "refId", "toHash"),
}

const azure: Provider = {
  ...github,
  marks: ["x-vss-activityid", "x-vss-subscriptionid"],
  proof: "basic",
  isTouchy: true,
  ids: [],
  events: [],
  isPush: (_, body) => dig(body, "eventType") === "git.push",
  urls: (body) => texts(body, "resource.repository.remoteUrl"),
  refs: manyRefs("resource.refUpdates", "name", "newObjectId"),
}

/** In the order in which they are told apart: most send the headers of some that come later. */
export const PROVIDERS = {
  azure,
  forgejo: giteaLike("forgejo", "gitea"),
  gitea: giteaLike("gitea"),
  gogs: giteaLike("gogs"),
  github,
  gitlab,
  bitbucket,
  "bitbucket-server": bitbucketServer,
} as const
export type ProviderName = keyof typeof PROVIDERS

/** Who sent it, by its headers. */
export const detect = (headers: Headers): ProviderName | undefined =>
  (Object.keys(PROVIDERS) as ReadonlyArray<ProviderName>).find((name) =>
    PROVIDERS[name].marks.some((mark) => headers[mark] !== undefined),
  )

export const firstOf = (headers: Headers, names: ReadonlyArray<string>): string | undefined =>
  names.map((name) => headers[name]).find((value) => value !== undefined)

/** The same for a delivery that is sent again. */
export const deliveryId = (
  { ids }: Provider,
  headers: Headers,
  body: unknown,
): string | undefined => {
  const id = ids.length === 0 ? texts(body, "id")[0] : firstOf(headers, ids)
  return id !== undefined && ID.test(id) ? id : undefined
}

/** A question whether anybody listens, which may come unsigned. */
export const isUnsignedPing = (name: ProviderName, headers: Headers): boolean =>
  name === "bitbucket-server" && headers["x-event-key"] === "diagnostics:ping"

export type Reading =
  | { readonly kind: "push"; readonly push: Push }
  | { readonly kind: "other" }
  | { readonly kind: "incomplete" }

/** What a proven body says. */
export const readEvent = (provider: Provider, headers: Headers, body: unknown): Reading => {
  if (!provider.isPush(firstOf(headers, provider.events) ?? "", body)) return { kind: "other" }
  const urls = provider.urls(body)
  const refs = provider.refs(body)
  const isWhole = urls.length > 0 && refs !== undefined
  return isWhole ? { kind: "push", push: { urls, refs } } : { kind: "incomplete" }
}
