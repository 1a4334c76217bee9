/** `nopea diff`: what an apply would change, by server-side dry runs with the rights of who asks. Nothing is written. */
import { Effect } from "effect"
import { failuresOf } from "../domain/change.ts"
import type { Failure, KubeError } from "../domain/errors.ts"
import {
  type DesiredObject,
  formatRef,
  type JsonObject,
  type KubeObject,
  type ObjectRef,
  parseGroupKind,
  stringify,
} from "../domain/object.ts"
import type { Discovery, ResourceType } from "../kube/Kube.ts"
import { without } from "../plan/fields.ts"
import { type IgnoreRule, ignoredIn } from "../plan/ignore.ts"
import { ROLLOUT_MANAGER } from "../plan/lent.ts"
import { FIELD_MANAGER, LABEL_REPOSITORY_UID } from "../plan/live.ts"
import { applyStages } from "../plan/order.ts"
import { rolloutAbsent } from "../plan/rolloutFailures.ts"
import { CALLER, type Here, paintFor } from "./Cluster.ts"
import {
  comparable,
  delegatedNotes,
  delegationIn,
  foreign,
  placed,
  refOf,
  treeOf,
  uidOf,
  veiled,
  withMarksOf,
} from "./comparable.ts"
import { objectText } from "./lists.ts"
import {
  type Finding,
  failure,
  listedIn,
  notesOf,
  refusal,
  renderFailure,
  summary,
} from "./notes.ts"
import { type Told, toldOf } from "./told.ts"
import { unified } from "./unified.ts"
import { textOf, type View } from "./view.ts"
import { plain } from "./words.ts"
import { yamlOf } from "./yaml.ts"

export interface Wanted {
  readonly objects: ReadonlyArray<DesiredObject>
  readonly failures: ReadonlyArray<Failure>
  /** What `+++` says beside the object: a commit, a folder. */
  readonly origin: string
  /** Why it would not be applied as it is. */
  readonly problems?: ReadonlyArray<string>
}

export interface Compared {
  /** For stdout; empty where nothing differs. */
  readonly text: string
  /** For stderr. */
  readonly messages: ReadonlyArray<string>
  readonly differs: boolean
  readonly failed: boolean
}

/** Requests at a time. */
const PARALLEL = 8
/** The namespace or the kind is still to come, from the same commit. */
const NOT_YET = new Set(["NOPEA-A013", "NOPEA-A015"])

const showing = (
  ref: ObjectRef,
  origin: string,
  sides: readonly [JsonObject | undefined, JsonObject | undefined],
): Finding => {
  const paint = paintFor(process.stdout)
  const [before, after] = veiled(...sides)
  const yaml = (side: JsonObject | undefined) => (side === undefined ? "" : yamlOf(side))
  const hunks = unified(yaml(before), yaml(after), paint)
  const verdict =
    before === undefined
      ? "created"
      : after === undefined
        ? "deleted"
        : hunks === ""
          ? "unchanged"
          : "changed"
  const name = plain(objectText(formatRef(ref)))
  const head = [paint("bold", `--- live  ${name}`), paint("bold", `+++ ${plain(origin)}  ${name}`)]
  return { verdict, text: verdict === "unchanged" ? "" : [...head, hunks].join("\n") }
}

interface Ground {
  /** Only these fields, of an object that is not the repository's. */
  readonly lent?: DesiredObject | undefined
  readonly here: Here
  readonly discovery: Discovery
  readonly namespace: string
  readonly ignore: ReadonlyArray<IgnoreRule>
  readonly origin: string
  /** Of the GitRepository; absent for a folder of nobody. */
  readonly owner?: View
  /** Resources that may be listed in `namespace` only. */
  readonly partly: Set<string>
}

const absent = (error: KubeError) =>
  error.status === 404 ? Effect.succeed(undefined) : Effect.fail(error)

const compareOne = (ground: Ground, desired: DesiredObject): Effect.Effect<Finding, KubeError> =>
  Effect.gen(function* () {
    const { here, discovery, ignore, origin } = ground
    const type = discovery.find(desired.ref, desired.ref.version)
    const namespace = type?.namespaced === false ? "" : desired.ref.namespace || ground.namespace
    const ref = { ...desired.ref, namespace }
    const tree = placed(desired, namespace)
    const whereFrom = `${origin} ${desired.source.file}:${desired.source.line}`
    if (type === undefined)
      return showing(ref, `${whereFrom} (kind not served yet)`, [undefined, comparable(tree)])
    const found = yield* Effect.catch(here.kube.get(CALLER, type, ref), absent)
    const live = found === undefined ? undefined : treeOf(found)
    const isLent = desired === ground.lent
    if (isLent && live === undefined) return renderFailure(rolloutAbsent({ ref }))
    const other = isLent ? undefined : foreign(live, ground.owner)
    if (other !== undefined)
      return failure(
        formatRef(ref),
        "NOPEA-A042",
        `it belongs to GitRepository ${other}`,
        "remove it from one of the two",
      )
    const left = live === undefined ? [] : ignoredIn(ignore, ref, tree)
    const fields = left.length === 0 ? tree : without(tree, left)
    const sent = stringify(isLent ? fields : withMarksOf(live, fields))
    const manager = isLent ? ROLLOUT_MANAGER : FIELD_MANAGER
    const answer = yield* here.preview(CALLER, type, ref, sent, manager).pipe(
      Effect.map(treeOf),
      Effect.catchIf(
        ({ code }) => live === undefined && NOT_YET.has(code),
        () => Effect.succeed(tree),
      ),
    )
    return showing(ref, whereFrom, [live && comparable(live), comparable(answer)])
  }).pipe(
    Effect.catchIf(
      ({ status }) => status >= 400 && status !== 401,
      (error) => Effect.succeed(refusal(desired.ref, error)),
    ),
  )

/** In all namespaces; who may not list those looks in the one that the repository applies to. */
const listOwned = (
  { here, namespace, partly }: Ground,
  type: ResourceType,
  labelSelector: string,
): Effect.Effect<ReadonlyArray<KubeObject>, KubeError> =>
  here.kube.list(CALLER, type, { labelSelector }).pipe(
    Effect.catchIf(
      ({ status }) => status === 403 && type.namespaced,
      () => {
        partly.add(type.resource)
        return here.kube.list(CALLER, type, { labelSelector, namespace })
      },
    ),
    Effect.map(({ items }) => items),
  )

/** Objects of the repository that its Git does not have any more. */
const leaving = (
  ground: Ground,
  owner: View,
  objects: ReadonlyArray<DesiredObject>,
): Effect.Effect<ReadonlyArray<Finding>, KubeError> => {
  const { discovery, namespace, origin } = ground
  const wanted = new Set(
    objects.map(({ ref }) => {
      const isNamespaced = discovery.find(ref)?.namespaced !== false
      return formatRef({ ...ref, namespace: isNamespaced ? ref.namespace || namespace : "" })
    }),
  )
  const types = (owner.status.inventoryKinds ?? [])
    .map((kind) => discovery.find(parseGroupKind(kind)))
    .filter((type): type is ResourceType => type !== undefined)
  const labelSelector = `${LABEL_REPOSITORY_UID}=${uidOf(owner)}`
  return Effect.forEach(
    types,
    (type) =>
      Effect.map(listOwned(ground, type, labelSelector), (items) =>
        items
          .map((item) => ({ item, ref: refOf(type, item) }))
          .filter(({ item, ref }) => !wanted.has(formatRef(ref)) && !item.metadata.ownerReferences)
          .map(({ item, ref }) => showing(ref, origin, [comparable(treeOf(item)), undefined])),
      ),
    { concurrency: PARALLEL },
  ).pipe(Effect.map((found) => found.flat()))
}

/** `owner`: the GitRepository whose rules count, and whose objects may leave. */
export const compare = (
  here: Here,
  wanted: Wanted,
  owner: View | undefined,
): Effect.Effect<Compared, Told> =>
  Effect.gen(function* () {
    const discovery = yield* here.kube.discovery()
    const namespace =
      owner === undefined ? here.namespace : textOf(owner, "targetNamespace", owner.namespace)
    const { lent, desired, changes } = delegationIn(owner, wanted.objects, namespace)
    const objects = lent === undefined ? desired : [...desired, lent]
    const refused = failuresOf(changes)
    const ground: Ground = {
      lent,
      here,
      discovery,
      namespace,
      ignore: (owner?.spec["ignore"] ?? []) as ReadonlyArray<IgnoreRule>,
      origin: wanted.origin,
      partly: new Set(),
      ...(owner === undefined ? {} : { owner }),
    }
    const found = yield* Effect.forEach(
      applyStages(objects).flat(),
      (desired) => compareOne(ground, desired),
      { concurrency: PARALLEL },
    )
    const isWhole = wanted.failures.length + refused.length === 0
    const prunes = owner !== undefined && isWhole && owner.spec["prune"] !== false
    const gone = prunes ? yield* leaving(ground, owner, [...wanted.objects, ...objects]) : []
    const findings = [...[...wanted.failures, ...refused].map(renderFailure), ...found, ...gone]
    const problems = (wanted.problems ?? []).map((problem) => `error: ${problem}`)
    const messages = [...findings.flatMap(({ message }) => message ?? []), ...problems]
    return {
      text: findings.flatMap(({ text }) => (text === "" ? [] : [text])).join("\n"),
      messages: [
        ...messages,
        summary(findings),
        ...listedIn(ground),
        ...delegatedNotes(changes),
        ...notesOf(owner),
      ],
      differs: findings.some(({ verdict }) => verdict !== "unchanged"),
      failed: messages.length > 0,
    }
  }).pipe(Effect.mapError(toldOf))
