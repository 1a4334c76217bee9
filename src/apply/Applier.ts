/** Carries a Plan out: stage after stage, one server-side apply per changed object, deletions last. */
import { Context, Effect, Layer } from "effect"
import { Claims } from "../cache/Claims.ts"
import { Live } from "../cache/Live.ts"
import type { Change, ChangeSet } from "../domain/change.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatGroupKind, formatRef } from "../domain/object.ts"
import { type Caller, Kube } from "../kube/Kube.ts"
import { isReleaseHeld, releasedBy } from "../plan/after.ts"
import { postponed, trackedKinds } from "../plan/inventory.ts"
import { isIncomplete, type Plan } from "../plan/plan.ts"
import { rolloutOf } from "../plan/rollout.ts"
import type { Step } from "../plan/step.ts"
import { DEFINITION, definitionsReady, isDefinition } from "./Definitions.ts"
import { deleteObject, writeObject } from "./Objects.ts"
import type { Run } from "./Requests.ts"
import { release } from "./Rollouts.ts"

/** At most this many objects of a repository at once; the request budget is the real limit. */
const AT_ONCE = 32

export interface ApplyRequest {
  /** `namespace/name` of the GitRepository. */
  readonly repository: string
  readonly caller: Caller
  readonly plan: Plan
  /** `status.inventoryKinds` as it is stored. */
  readonly inventoryKinds: ReadonlyArray<string>
  /** Stores all kinds (old and new) before the first object of a new kind is written. */
  readonly announce: (kinds: ReadonlyArray<string>) => Effect.Effect<void, KubeError>
}

export interface ApplyResult {
  /** One change for every object of the plan. */
  readonly changes: ChangeSet
  /** Kinds to keep in `status.inventoryKinds` from now on. */
  readonly inventoryKinds: ReadonlyArray<string>
}

export class Applier extends Context.Service<
  Applier,
  {
    /**
     * No object's failure stops another; all are in the change set. Fails, before anything is written,
     * only where new kinds cannot be announced.
     */
    readonly run: (request: ApplyRequest) => Effect.Effect<ApplyResult, KubeError>
  }
>()("nopea/apply/Applier") {}

const kindsOf = (plan: Plan): ReadonlyArray<string> => [
  ...new Set(plan.stages.flat().flatMap(({ lent, ref }) => (lent ? [] : [formatGroupKind(ref)]))),
]

const announceNew = ({
  plan,
  inventoryKinds,
  announce,
}: ApplyRequest): Effect.Effect<void, KubeError> => {
  const known = new Set(inventoryKinds)
  const fresh = kindsOf(plan).filter((kind) => !known.has(kind))
  return fresh.length === 0 ? Effect.void : announce([...known, ...fresh].sort())
}

const isWritten = ({ action }: Change): boolean =>
  action === "created" || action === "configured" || action === "healed"

/** Definitions to wait for: those just written, and those that later steps need and that did not fail. */
const awaited = (plan: Plan, defined: ChangeSet): ReadonlySet<string> => {
  const broken = new Set(
    [...plan.settled, ...defined].filter((c) => isIncomplete([c])).map((c) => formatRef(c.ref)),
  )
  const needed = plan.stages.flat().flatMap((step) => step.definedBy ?? [])
  const names = [...defined.filter(isWritten).map((c) => c.ref.name), ...needed]
  return new Set(
    names.filter((name) => !broken.has(formatRef({ ...DEFINITION, namespace: "", name }))),
  )
}

const writeAll = Effect.fn("Applier.write")(function* (run: Run, plan: Plan) {
  const write = (stage: ReadonlyArray<Step>) =>
    Effect.forEach(stage, (step) => writeObject(run, step), { concurrency: AT_ONCE })
  const [first = [], ...others] = plan.stages
  const [definitions, stages] = first.some(isDefinition) ? [first, others] : [[], plan.stages]
  const changes: Array<Change> = yield* write(definitions)
  const names = awaited(plan, changes)
  if (names.size > 0) yield* definitionsReady(run, names, stages.flat())
  for (const stage of stages) changes.push(...(yield* write(stage)))
  return changes
})

const prune = Effect.fn("Applier.prune")(function* (run: Run, stages: Plan["prune"]) {
  const changes: Array<Change> = []
  for (const stage of stages) {
    const done = Effect.forEach(stage, (object) => deleteObject(run, object), {
      concurrency: AT_ONCE,
    })
    changes.push(...(yield* done))
  }
  return changes
})

/** Once everything is as Git says now: what stands in the Rollout's place is there. */
const letGo = (run: Run, plan: Plan, written: ChangeSet): Effect.Effect<ReadonlyArray<Change>> => {
  const released = releasedBy(plan)
  const ref = released && rolloutOf(released)
  if (ref === undefined || isReleaseHeld(plan, written)) return Effect.succeed([])
  return release(run, ref, plan.wanted.has(formatRef(ref)))
}

const nextKinds = (
  { plan, inventoryKinds }: ApplyRequest,
  changes: ChangeSet,
): ReadonlyArray<string> =>
  trackedKinds({
    owner: plan.rules.owner,
    previous: inventoryKinds,
    unknown: plan.live.unknown,
    live: plan.live.objects,
    deleted: new Set(changes.filter((c) => c.action === "deleted").map((c) => formatRef(c.ref))),
    written: kindsOf(plan),
  })

const make = Effect.gen(function* () {
  const kube = yield* Kube
  const live = yield* Live
  const claims = yield* Claims
  const run = Effect.fn("Applier.run")(function* (request: ApplyRequest) {
    const { plan, repository, caller } = request
    yield* announceNew(request)
    const shared: Run = { kube, live, claims, repository, caller, rules: plan.rules }
    const written = [...plan.settled, ...(yield* writeAll(shared, plan))]
    const left = isIncomplete(written) ? [] : yield* letGo(shared, plan, written)
    const applied = [...written, ...left]
    const pruned = isIncomplete(applied) ? postponed(plan.prune) : yield* prune(shared, plan.prune)
    const changes = [...applied, ...pruned]
    return { changes, inventoryKinds: nextKinds(request, changes) }
  })
  return Applier.of({ run })
})

export const layer: Layer.Layer<Applier, never, Kube | Live | Claims> = Layer.effect(Applier, make)
