// Whole answers to whole bodies: what each provider's documentation shows, and what is read out of it. No word more.
import { assert, describe, it } from "vitest"
import {
  deliveryId,
  PROVIDERS,
  type ProviderName,
  type Push,
  readEvent,
} from "../../src/webhook/providers.ts"
import { NAMES, NEW, OLD, SAMPLES, ZERO } from "./deliveries.ts"

const main = { ref: "refs/heads/main", commit: NEW }
const hosted = (host: string) => [
  `https://${host}/acme/shop.git`,
  `git@${host}:acme/shop.git`,
  `https://${host}/acme/shop`,
]
const [CLONE = "", SSH = "", HTML = ""] = hosted("github.com")
const CLOUD = "https://bitbucket.org/acme/shop"

const WHOLE: Readonly<Record<ProviderName, Push & { readonly id: string }>> = {
  github: {
    urls: [CLONE, SSH, "git://github.com/acme/shop.git", HTML],
    refs: [main],
    id: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
  },
  gitlab: {
    urls: [
      "https://gitlab.com/acme/shop.git",
      "git@gitlab.com:acme/shop.git",
      "https://gitlab.com/acme/shop",
    ],
    refs: [main],
    id: "f5e5f430-f57b-4e6e-9fac-d9128cd7232f",
  },
  bitbucket: {
    urls: [CLOUD, CLOUD],
    refs: [{ ref: "refs/tags/main", commit: OLD }, main],
    id: "0b1a2c3d-0000-0000-0000-000000000002",
  },
  "bitbucket-server": {
    urls: [
      "https://bitbucket.example/scm/acme/shop.git",
      "ssh://git@bitbucket.example:7999/acme/shop.git",
    ],
    refs: [{ ref: "refs/tags/main", commit: OLD }, main],
    id: "4ea97a1c-1",
  },
  gogs: { urls: hosted("gogs.example"), refs: [main], id: "gogs-1" },
  gitea: { urls: hosted("gitea.example"), refs: [main], id: "gitea-1" },
  forgejo: { urls: hosted("forgejo.example"), refs: [main], id: "forgejo-1" },
  azure: {
    urls: ["https://acme@dev.azure.com/acme/web/_git/shop"],
    refs: [{ ref: "refs/heads/other", commit: OLD }, main],
    id: "03c164c2-8912-4d5e-8009-3707d5f83734",
  },
}

const read = (name: ProviderName, body: unknown) =>
  readEvent(PROVIDERS[name], SAMPLES[name].headers, body)

describe("a documented delivery", () => {
  it.each(NAMES)("of %s is read as these places, refs and id", (name) => {
    const { id, urls, refs } = WHOLE[name]
    const { body, headers } = SAMPLES[name]
    assert.deepStrictEqual(read(name, body), { kind: "push", push: { urls, refs } })
    assert.strictEqual(deliveryId(PROVIDERS[name], headers, body), id)
  })
})

const gone = { ref: "refs/heads/main" }
const github = SAMPLES.github.body
const { project: _, ...oldGitlab } = SAMPLES.gitlab.body
const server = SAMPLES["bitbucket-server"].body
const { links: __, ...linkless } = server["repository"] as Record<string, unknown>
const azure = SAMPLES.azure.body
const sha256 = NEW.padEnd(64, "0")
const zeroed = { before: OLD, after: ZERO }
const branch = (name: string, hash: string) => ({ type: "branch", name, target: { hash } })

describe("a documented variant", () => {
  it.each<[string, ProviderName, unknown, Push["refs"] | "incomplete"]>([
    ["a deleted branch", "github", { ...github, ...zeroed, deleted: true }, [gone]],
    [
      "a deleted branch",
      "gitlab",
      { ...SAMPLES.gitlab.body, ...zeroed, checkout_sha: null },
      [gone],
    ],
    [
      "a deleted branch",
      "bitbucket",
      {
        ...SAMPLES.bitbucket.body,
        push: { changes: [{ old: branch("main", OLD), new: null, closed: true }] },
      },
      [gone],
    ],
    [
      "a deleted branch",
      "bitbucket-server",
      { ...server, changes: [{ refId: gone.ref, fromHash: OLD, toHash: ZERO, type: "DELETE" }] },
      [gone],
    ],
    [
      "a deleted branch",
      "azure",
      {
        ...azure,
        resource: {
          ...(azure["resource"] as object),
          refUpdates: [{ name: gone.ref, oldObjectId: OLD, newObjectId: ZERO }],
        },
      },
      [gone],
    ],
    ["the test, which moves nothing", "gitea", { ...SAMPLES.gitea.body, before: NEW }, [main]],
    [
      "ids of SHA-256",
      "forgejo",
      { ...SAMPLES.forgejo.body, after: sha256 },
      [{ ...main, commit: sha256 }],
    ],
    ["ids of no length that there is", "github", { ...github, after: NEW.slice(1) }, [gone]],
    ["a tag", "github", { ...github, ref: "refs/tags/v1" }, [{ ref: "refs/tags/v1", commit: NEW }]],
    [
      "the old place of URLs",
      "gitlab",
      {
        ...oldGitlab,
        repository: {
          git_http_url: "https://gitlab.com/acme/shop.git",
          git_ssh_url: "git@gitlab.com:acme/shop.git",
        },
      },
      [main],
    ],
    [
      "no links",
      "bitbucket",
      { ...SAMPLES.bitbucket.body, repository: { full_name: "acme/shop" } },
      [{ ref: "refs/tags/main", commit: OLD }, main],
    ],
    [
      "no links, of older versions",
      "bitbucket-server",
      { ...server, repository: linkless },
      "incomplete",
    ],
    ["no resource", "azure", { ...azure, resource: {} }, "incomplete"],
  ])("%s of %s", (_, name, body, refs) => {
    const event = read(name, body)
    assert.deepStrictEqual(event.kind === "push" ? event.push.refs : event.kind, refs)
  })

  it("of GitLab has no id before 17.4, and that of its signature where it is signed", () => {
    const { "idempotency-key": _, ...older } = SAMPLES.gitlab.headers
    assert.isUndefined(deliveryId(PROVIDERS.gitlab, older, SAMPLES.gitlab.body))
    const signed = { ...older, "webhook-id": "id-1" }
    assert.strictEqual(deliveryId(PROVIDERS.gitlab, signed, SAMPLES.gitlab.body), "id-1")
  })
})
