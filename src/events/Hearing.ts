/** Hears what is reported, and hands it on: to the metrics, and as events to whoever wants them. */
import { Effect, Layer, Random } from "effect"
import { Metrics } from "../metrics/Metrics.ts"
import { Audience, type Heard, type HeardOf } from "../report/Audience.ts"
import { messageOf } from "./cdevents.ts"
import { Chains } from "./chains.ts"
import { Delivery } from "./Delivery.ts"
import { draftsOf } from "./drafts.ts"
import { measure } from "./numbers.ts"

export interface HearingOptions {
  readonly clusterName: string
  readonly cdeventsMode: "binary" | "structured"
}

const syncOf = (heard: HeardOf): string | undefined =>
  "syncId" in heard ? heard.syncId : undefined

const make = Effect.fnUntraced(function* ({ clusterName, cdeventsMode }: HearingOptions) {
  const registry = yield* Metrics
  const delivery = yield* Delivery
  const chains = new Chains()
  const source = `/clusters/${clusterName}/nopea`
  const place = { cluster: clusterName }

  const tell = Effect.fnUntraced(function* (heard: HeardOf) {
    const { uid } = heard.repository.metadata
    const syncId = syncOf(heard)
    const drafts = draftsOf(place, heard, chains.openOf(uid, syncId) !== undefined)
    const isLast = heard.what !== "syncing"
    const numbers: Array<readonly [number, number]> = []
    for (const _ of drafts) numbers.push([yield* Random.next, yield* Random.next])
    const random = () => numbers.shift() ?? ([0, 0] as const)
    const now = heard.at
    const events = chains.add({ uid, syncId, drafts, isLast, now, source, random })
    for (const event of events) yield* delivery.offer(messageOf(event, cdeventsMode))
  })

  return (heard: Heard) =>
    Effect.andThen(
      Effect.sync(() => measure(registry, heard)),
      delivery.hasSinks && heard.what !== "rejected" ? tell(heard) : Effect.void,
    )
})

/** Without sinks only the metrics hear. */
export const layer = (options: HearingOptions): Layer.Layer<never, never, Delivery> =>
  Layer.effect(Audience, make(options))
