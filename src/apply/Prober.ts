/** Asks the API server what the plan has to know of objects that look drifted. Reads and dry runs, no writes. */
import { Effect } from "effect"
import type { KubeError } from "../domain/errors.ts"
import { formatRef, type ObjectKey } from "../domain/object.ts"
import type { Caller, Kube, ResourceType } from "../kube/Kube.ts"
import type { Evidence } from "../plan/evidence.ts"
import { refusedBy } from "../plan/failures.ts"
import { ownSet } from "../plan/holders.ts"
import type { Ask, Asked } from "../plan/judge.ts"
import { asGuest } from "../plan/lent.ts"
import { type LiveObject, liveObject, type Owner } from "../plan/live.ts"
import { stampedBody } from "../plan/stamp.ts"
import type { Want } from "../plan/step.ts"
import { managerOf } from "./Requests.ts"

const AT_ONCE = 16

export interface Probe {
  readonly caller: Caller
  readonly owner: Owner
  readonly asked: ReadonlyArray<Asked>
}

export interface Probed extends Omit<Evidence, "lastApplied"> {
  /** Objects that are there after all, without our labels. */
  readonly seen: ReadonlyMap<ObjectKey, LiveObject>
}

type Told = Evidence["wouldOwn"] extends ReadonlyMap<string, infer A> ? A : never

/** Never a write: it would heal what a policy leaves. */
const dryRun = (
  kube: Kube["Service"],
  { caller, owner }: Probe,
  type: ResourceType,
  { want, live }: Asked,
): Effect.Effect<Told> => {
  const { ref, desired, hash, ignored, lent } = want
  const guard = live === undefined ? {} : { guard: { on: "object", uid: live.uid } as const }
  const stamp = { namespace: ref.namespace, owner, hash, lent, ...guard }
  const body = stampedBody(desired, stamp, ignored)
  return kube
    .apply(caller, type, ref, body, { fieldManager: managerOf(want), force: true, dryRun: true })
    .pipe(
      Effect.map(({ metadata }): Told => {
        const { managedFields } = lent ? asGuest(metadata) : metadata
        return { set: ownSet(managedFields) ?? {} }
      }),
      Effect.catch((error) =>
        Effect.succeed<Told>({ failure: refusedBy({ ref, source: desired.source }, error) }),
      ),
    )
}

/** Answers for the objects of which this is asked; one that cannot be read has none. */
const each = <A>(
  kube: Kube["Service"],
  { asked }: Probe,
  ask: Ask,
  answer: (type: ResourceType, asked: Asked) => Effect.Effect<A | undefined>,
): Effect.Effect<ReadonlyMap<ObjectKey, A>, KubeError> =>
  Effect.gen(function* () {
    const wanted = asked.filter(({ asks }) => asks.includes(ask))
    if (wanted.length === 0) return new Map()
    const discovery = yield* kube.discovery()
    const one = (row: Asked) => {
      const { ref }: Want = row.want
      const type = discovery.find(ref, ref.version)
      const told = type === undefined ? Effect.undefined : answer(type, row)
      return Effect.map(told, (found) => [formatRef(ref), found] as const)
    }
    const rows = yield* Effect.forEach(wanted, one, { concurrency: AT_ONCE })
    return new Map(rows.flatMap(([key, found]) => (found === undefined ? [] : [[key, found]])))
  })

const quietly = <A>(request: Effect.Effect<A, KubeError>): Effect.Effect<A | undefined> =>
  Effect.orElseSucceed(request, () => undefined)

export const probe = Effect.fn("Prober.probe")(function* (
  kube: Kube["Service"],
  request: Probe,
): Effect.fn.Return<Probed, KubeError> {
  const { caller, asked } = request
  const read = yield* each(kube, request, "whole", (type, { want }) =>
    quietly(
      Effect.map(kube.get(caller, type, want.ref), (object) => {
        return { object, live: liveObject(type, object.metadata) }
      }),
    ),
  )
  const unknown = new Set(asked.flatMap(({ want, live }) => (live ? [] : [formatRef(want.ref)])))
  return {
    wouldOwn: yield* each(kube, request, "wouldOwn", (type, asked) =>
      dryRun(kube, request, type, asked),
    ),
    whole: new Map([...read].map(([key, { object }]) => [key, object])),
    seen: new Map(
      [...read].flatMap(([key, { live }]) => (unknown.has(key) ? [[key, live] as const] : [])),
    ),
  }
})
