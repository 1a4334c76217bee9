// A whole sync over doubles of the ports: everything between them is the real thing.
import { Effect, Layer, Logger, Option, Result } from "effect"
import * as Applier from "../../src/apply/Applier.ts"
import * as Cache from "../../src/cache/Cache.ts"
import * as LiveIndex from "../../src/controller/LiveIndex.ts"
import type { SyncError } from "../../src/domain/errors.ts"
import type { SyncOutcome } from "../../src/domain/outcome.ts"
import type { GitRepository } from "../../src/domain/repository.ts"
import type { TriggerKind } from "../../src/domain/trigger.ts"
import * as ReporterLive from "../../src/report/ReporterLive.ts"
import { Credentials } from "../../src/worker/Credentials.ts"
import * as HashKey from "../../src/worker/HashKey.ts"
import type { IdentityRules } from "../../src/worker/identity.ts"
import * as Sync from "../../src/worker/Sync.ts"
import { Syncer } from "../../src/worker/Syncer.ts"
import { GitMemory } from "./GitMemory.ts"
import * as KubeMemory from "./KubeMemory.ts"
import * as RenderMemory from "./RenderMemory.ts"

const rules: IdentityRules = {
  namespace: "nopea-system",
  defaultServiceAccount: "",
  allowControllerIdentity: true,
}

export const syncs = (over: Partial<IdentityRules> = {}) => {
  const git = new GitMemory()
  const ports = Layer.mergeAll(git.layer, KubeMemory.layer, RenderMemory.layer, Cache.layer())
  const layer = Sync.layer({ ...rules, ...over }).pipe(
    Layer.provideMerge(Layer.mergeAll(Applier.layer, Credentials.layer)),
    Layer.provideMerge(Layer.mergeAll(LiveIndex.layer(), ReporterLive.layer)),
    Layer.provideMerge(HashKey.layer("nopea-system")),
    Layer.provideMerge(ports),
    Layer.provideMerge(Logger.layer([])),
  )
  return { git, layer }
}

/** One sync; answers its outcome, or the error as a value. */
export const sync = Effect.fnUntraced(function* (repository: GitRepository, kind: TriggerKind) {
  const syncer = yield* Syncer
  return yield* Effect.result(
    syncer.run({ repository, trigger: { kind }, syncId: "01J00000000000000000000000" }),
  )
})

/** `created /ConfigMap/apps/a`, one line a change, sorted; a failed sync is its code. */
export const told = (result: Result.Result<SyncOutcome, SyncError>): ReadonlyArray<string> =>
  Option.match(Result.getSuccess(result), {
    onNone: () => [Result.isFailure(result) ? result.failure.code : ""],
    onSome: ({ changes }) =>
      changes
        .map(({ action, ref }) => `${action} ${ref.kind}/${ref.namespace}/${ref.name}`)
        .toSorted(),
  })
