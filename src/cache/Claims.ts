/** The claims table: what each GitRepository of this controller wants. In memory, rebuilt by every first sync. */
import { Context, type Duration, Effect, Latch, Layer } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { ObjectKey } from "../domain/object.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import {
  type Claimant,
  type Declared,
  declared,
  freed,
  type Others,
  standOf,
  unasked,
  wantedByOther,
} from "../plan/claims.ts"
import { CODE_OWNED } from "../plan/failures.ts"
import type { Owner } from "../plan/live.ts"

/** Nothing is missed by it: only the order of two fibers could make a wait outlast what it waits for. */
const LOOK = "250 millis"

/** Every method is synchronous, save `ask`. Keys are `namespace/name`. */
export class Claims extends Context.Service<
  Claims,
  {
    /** It has a worker; `wake` asks that worker to look into Git now. Called again for every new spec. */
    readonly register: (repository: GitRepository, wake: () => void) => void
    /** No worker answers for it any more; what it wants still counts. */
    readonly retire: (key: string) => void
    /** It is gone: who waits for its objects is woken. */
    readonly drop: (key: string) => void
    /** What a sync found in Git, before it writes anything. Who waited for what is not wanted any longer is woken. */
    readonly declare: (owner: Owner, said: Declared) => void
    /** Of what it wants, what a sync that started then had no right to write; who has that object may delete it. */
    readonly refused: (key: string, objects: ReadonlySet<ObjectKey>, startedAt: number) => void
    /** A sync that started then has ended, well or not. */
    readonly checked: (key: string, startedAt: number) => void
    /** It wants an object that another GitRepository has. */
    readonly waitFor: (key: string, object: ObjectKey, owner: Owner) => void
    readonly others: (key: string) => Others
    /** Not every GitRepository is known yet: nobody is told that all have answered. */
    readonly listing: (isListing: boolean) => void
    /** Whether all who may want these objects have looked into Git since; asks those who have not, and waits. */
    readonly ask: (
      key: string,
      objects: ReadonlyArray<ObjectKey>,
      atMost: Duration.Input,
    ) => Effect.Effect<boolean>
  }
>()("nopea/cache/Claims") {}

/** After a restart a status still tells what was waited for. */
const seed = ({ status }: GitRepository): ReadonlySet<ObjectKey> =>
  new Set(
    (status?.failures ?? []).flatMap(({ code, object }) =>
      code === CODE_OWNED && object !== undefined ? [object] : [],
    ),
  )

const blank = (repository: GitRepository): Claimant => ({
  uid: repository.metadata.uid,
  url: repository.spec.url,
  namespace: repository.spec.targetNamespace ?? repository.metadata.namespace,
  answers: true,
  wants: seed(repository),
  idle: new Set(),
  refused: new Set(),
  tried: Number.NEGATIVE_INFINITY,
  isWhole: false,
  since: Number.POSITIVE_INFINITY,
  checked: Number.NEGATIVE_INFINITY,
  waits: new Map(),
})

const make = () => {
  const rows = new Map<string, Claimant>()
  const wakes = new Map<string, () => void>()
  const changed = Latch.makeUnsafe(false)
  let isListing = false

  const tell = (): void => {
    changed.openUnsafe()
    changed.closeUnsafe()
  }
  const wake = (names: ReadonlyArray<string>): void => {
    for (const name of names) wakes.get(name)?.()
  }
  const edit = (key: string, change: (row: Claimant) => Claimant): void => {
    const row = rows.get(key)
    if (row !== undefined) rows.set(key, change(row))
    tell()
  }

  const register = (repository: GitRepository, wakeUp: () => void): void => {
    const key = keyOf(repository)
    const old = rows.get(key)
    const { spec, metadata } = repository
    const known = old?.uid === metadata.uid ? old : undefined
    const answers = !spec.suspend && !spec.dryRun
    const { uid, url, namespace } = blank(repository)
    rows.set(key, { ...(known ?? blank(repository)), uid, url, namespace, answers })
    wakes.set(key, wakeUp)
    tell()
  }

  const retire = (key: string): void => {
    wakes.delete(key)
    edit(key, (row) => ({ ...row, answers: false }))
  }

  const drop = (key: string): void => {
    wakes.delete(key)
    rows.delete(key)
    wake(freed(rows, key))
    tell()
  }

  const declare = (owner: Owner, said: Declared): void => {
    const key = `${owner.namespace}/${owner.name}`
    edit(key, (row) => (row.uid === owner.uid ? declared(row, said) : row))
    wake(freed(rows, key))
  }

  const waitFor = (key: string, object: ObjectKey, owner: Owner): void => {
    edit(key, (row) => ({ ...row, waits: new Map(row.waits).set(object, owner) }))
    if (standOf(rows, owner, object) === "released") wakes.get(key)?.()
  }

  const settled = Effect.fnUntraced(function* (key: string, objects: ReadonlyArray<ObjectKey>) {
    while (isListing || unasked(rows, key, objects, yield* elapsedMillis).length > 0) {
      yield* Effect.timeoutOption(changed.await, LOOK)
    }
  })

  const ask = Effect.fnUntraced(function* (
    key: string,
    objects: ReadonlyArray<ObjectKey>,
    atMost: Duration.Input,
  ) {
    wake(unasked(rows, key, objects, yield* elapsedMillis))
    const answered = yield* Effect.timeoutOption(settled(key, objects), atMost)
    return answered._tag === "Some"
  })

  return Claims.of({
    register,
    retire,
    drop,
    declare,
    refused: (key, refused, tried) => edit(key, (row) => ({ ...row, refused, tried })),
    checked: (key, startedAt) =>
      edit(key, (row) => ({ ...row, checked: Math.max(row.checked, startedAt) })),
    waitFor,
    listing: (now) => {
      isListing = now
      tell()
    },
    others: (key) => ({
      stand: (owner, object) => standOf(rows, owner, object),
      wantedBy: (object) => wantedByOther(rows, key, object),
    }),
    ask,
  })
}

export const layer: Layer.Layer<Claims> = Layer.sync(Claims, make)
