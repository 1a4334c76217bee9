/** What a GitRepository asks for: every field with its check, its default and its text for `kubectl explain`. */
import { Exit, Schema } from "effect"
import { goDuration } from "./duration.ts"
import { avoids, check, Label, matches, Name, ReferenceName } from "./rules.ts"
import { SPEC_RULES } from "./specRules.ts"

/** The description belongs to the side that users write, so it goes in before any default. */
const described = <S extends Schema.Top>(description: string, schema: S): S =>
  Schema.annotateEncoded({ description })(schema) as unknown as S

const optional = <S extends Schema.Top>(description: string, schema: S) =>
  Schema.optionalKey(described(description, schema))

const withDefault = <S extends Schema.Top>(
  fallback: S["Encoded"],
  description: string,
  schema: S,
) => described(description, schema).pipe(Schema.withDecodingDefaultKey(Exit.succeed(fallback)))

const SecretRef = Schema.Struct({
  name: described("Name of a Secret in the namespace of this GitRepository.", Name),
})

const Url = Schema.String.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(2048),
  check(
    matches(
      /^(https?:\/\/[^-/][^/]*\/.+|ssh:\/\/([^-/@][^/@]*@)?[^-/@][^/@]*\/.+|file:\/\/\/.+|[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:\/?[^:/].*)$/u,
      "must be https://host/repository, http://…, ssh://[user@]host/repository or user@host:repository (file:///… where the controller allows it)",
    ),
  ),
  check(matches(/^[^\p{Cc}\p{Z}]*$/u, "must not contain spaces or control characters")),
  check(
    avoids(
      /^https?:\/\/[^/]*@|^[a-z]+:\/\/[^/@]*:[^/]*@/u,
      "must not contain credentials: put them into a Secret and name it in spec.secretRef",
    ),
  ),
)

const Path = Schema.String.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(1024),
  check(matches(/^[^/]/u, "must be relative to the root of the repository: no leading /")),
  check(avoids(/(^|\/)\.\.(\/|$)/u, "must not leave the repository: no .. in it")),
  check(matches(/^[^\p{Cc}\x5C]*$/u, "must not contain backslashes or control characters")),
)

const Reference = Schema.Struct({
  tag: optional("Follow this tag.", ReferenceName),
  semver: optional(
    "Follow the highest tag in this semantic version range, such as `1.x` or `>=1.2.0 <2.0.0`.",
    Schema.String.check(
      Schema.isPattern(/^[0-9A-Za-z.*^~<>=|!, +-]{1,256}$/u, {
        expected: "a semantic version range",
      }),
    ),
  ),
  commit: optional(
    "Stay at this commit: its full lower-case hexadecimal id.",
    Schema.String.check(
      Schema.isPattern(/^([0-9a-f]{40}|[0-9a-f]{64})$/u, { expected: "a full commit id" }),
    ),
  ),
}).check(
  check({
    cel: "[has(self.tag), has(self.semver), has(self.commit)].filter(x, x).size() == 1",
    message: "must have exactly one of tag, semver and commit",
    holds: (ref) => Object.keys(ref).length === 1,
  }),
)

const PERCENTAGE = /^(100|[0-9]{1,2})%$/u

/** The union's own sides are lost in `x-kubernetes-int-or-string`, so the rule says it all. */
const PruneLimit = Schema.Union([Schema.Int, Schema.String]).check(
  check({
    cel: `type(self) == int ? self >= 0 && self <= 1000000 : self.matches(r'${PERCENTAGE.source}')`,
    message: 'must be a number of objects (0 to 1000000), or a percentage such as "50%"',
    holds: (limit) =>
      typeof limit === "number" ? limit >= 0 && limit <= 1_000_000 : PERCENTAGE.test(limit),
  }),
)

const Ignore = Schema.Struct({
  target: optional(
    "Which objects the rule is for; a part that is left out matches everything.",
    Schema.Struct({
      group: optional("API group; the empty text is the core group.", Schema.String),
      kind: optional("Kind, such as `Deployment`.", Schema.String),
      name: optional("Name of the object.", Schema.String),
      namespace: optional("Namespace of the object.", Schema.String),
    }),
  ),
  paths: described(
    "Fields, as JSON pointers (`/spec/replicas`) or in dots as status.drift shows them (`spec.replicas`, `spec.template.spec.containers[name=api].image`).",
    Schema.Array(
      Schema.String.check(
        Schema.isPattern(/^[/A-Za-z_.].*$/u, {
          expected: "a field path, such as /spec/replicas or spec.replicas",
        }),
        Schema.isMaxLength(1024),
      ),
    ).check(Schema.isMinLength(1), Schema.isMaxLength(100)),
  ),
})

const Flag = Schema.Boolean
const Interval = goDuration("1s", "576h")

export const RepositorySpec = Schema.Struct({
  url: described(
    "Where the repository is: https://, http://, ssh:// or git@host:org/repo.git. A file:// URL needs the controller's permission. Credentials belong into secretRef.",
    Url,
  ),
  branch: withDefault("main", "Branch to follow.", ReferenceName),
  ref: optional("Follow a tag, a version range or one commit instead of the branch.", Reference),
  path: withDefault(".", "Directory inside the repository that holds the manifests.", Path),
  interval: withDefault(
    "5m",
    "How often Git is asked for a new commit, as `30s`, `5m` or `1h30m`.",
    Interval,
  ),
  reconcileInterval: optional(
    "How often everything is compared with the cluster again, behind the watch that notices drift at once. Default: twice the interval.",
    Interval,
  ),
  timeout: withDefault(
    "3m",
    "How long one sync may take; with wait, also how long its objects may take to become healthy.",
    goDuration("1s", "24h"),
  ),
  targetNamespace: optional(
    "Namespace for namespaced objects that name none. Default: the namespace of this GitRepository.",
    Label,
  ),
  secretRef: optional(
    "Secret with the Git credentials: `username` and `password`, or `bearerToken`, or `identity` and `known_hosts`, and `ca.crt`.",
    SecretRef,
  ),
  serviceAccountName: optional(
    "ServiceAccount of this namespace in whose name every object is applied, read and deleted. Default: the controller's default account.",
    Name,
  ),
  suspend: withDefault(false, "Stop syncing and healing.", Flag),
  prune: withDefault(true, "Delete objects that left Git, if this GitRepository owns them.", Flag),
  pruneLimit: withDefault(
    "50%",
    "A sync that would delete more objects than this number, or than this percentage of all (and more than 3), holds the deletes until the commit is approved by the annotation nopea.io/approve-prune.",
    PruneLimit,
  ),
  deletionPolicy: withDefault(
    "Orphan",
    "What happens to the objects when this GitRepository is deleted: `Orphan` keeps them, `Delete` deletes them.",
    Schema.Literals(["Orphan", "Delete"]),
  ),
  healPolicy: withDefault(
    "auto",
    "What happens when somebody changes an object in the cluster: `auto` puts Git's state back, `manual` reports and leaves it, `notify` reports it, leaves it and sends a notification.",
    Schema.Literals(["auto", "manual", "notify"]),
  ),
  healGracePeriod: withDefault(
    "0s",
    "How long healing waits after drift was first seen. A commit that brings Git to the live state cancels it.",
    goDuration("0s", "576h"),
  ),
  conflictPolicy: withDefault(
    "git",
    "Which side wins where Git and the cluster both changed the same field: `git`, or `live`, which keeps the cluster's value and reports it.",
    Schema.Literals(["git", "live"]),
  ),
  adopt: withDefault(
    "Plain",
    "Which objects that exist already are taken over: `Plain` those that no tool claims, `Always` also those of Flux, Argo CD or Helm, `Never` none. Objects of another GitRepository are never taken.",
    Schema.Literals(["Plain", "Always", "Never"]),
  ),
  dryRun: withDefault(
    false,
    "Only observe: show in the status what would be done, and write nothing.",
    Flag,
  ),
  ignore: optional(
    "Fields that Git gives once, at creation, and that are neither applied nor called drift from then on.",
    Schema.Array(Ignore).check(Schema.isMaxLength(100)),
  ),
  dependsOn: optional(
    "Names of GitRepositories in this namespace that must be Ready first.",
    Schema.Array(Name.check(Schema.isMaxLength(63)))
      .check(Schema.isMaxLength(50))
      .annotate({ "x-kubernetes-list-type": "set" }),
  ),
  wait: withDefault(false, "Ready only when the applied objects are healthy.", Flag),
  force: withDefault(
    false,
    "Recreate an object whose immutable field changed, once a dry run proved that the new one is valid.",
    Flag,
  ),
  notifyRef: optional(
    "Secret with `address`, and `token` where one is needed, that healPolicy notify posts to.",
    SecretRef,
  ),
  webhook: optional(
    "This repository's own webhook route, /webhook/<namespace>/<name>.",
    Schema.Struct({
      secretRef: described(
        "Secret whose every value is a valid webhook secret for this repository.",
        SecretRef,
      ),
    }),
  ),
  rolloutRef: optional(
    "KULTA Rollout, in the namespace of the Deployment, that takes over the pod template of the one Deployment in Git. The Deployment itself is neither applied nor deleted meanwhile.",
    Schema.Struct({ name: described("Name of the Rollout.", Name) }),
  ),
  verify: optional(
    "Refuse commits that none of the trusted keys signed.",
    Schema.Struct({
      secretRef: described("Secret with the trusted SSH public keys.", SecretRef),
    }),
  ),
})
export interface RepositorySpec extends Schema.Schema.Type<typeof RepositorySpec> {}

export const CheckedSpec = RepositorySpec.check(
  check<RepositorySpec>(SPEC_RULES[0]),
  check<RepositorySpec>(SPEC_RULES[1]),
  check<RepositorySpec>(SPEC_RULES[2]),
)
