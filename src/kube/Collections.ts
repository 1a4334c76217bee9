/** Collections on the wire: lists page by page, watches line by line; whole objects, or their metadata. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, Random, Stream } from "effect"
import type { KubeError } from "../domain/errors.ts"
import { formatApiVersion, formatGroupKind, type KubeObject } from "../domain/object.ts"
import type {
  Caller,
  Kube,
  Listed,
  ListOptions,
  ObjectMetadata,
  ResourceType,
  WatchEvent,
} from "./Kube.ts"
import { selectionPath } from "./path.ts"
import type { Asked } from "./status.ts"
import type { Transport } from "./Transport.ts"
import { broken, garbage, idle } from "./unanswered.ts"
import { decodeEvent, splitLines } from "./watch.ts"

/** Metadata only; an API server that cannot answers the whole object. */
export const METADATA =
  "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
const METADATA_LIST = METADATA.replace("Metadata;", "MetadataList;")

export const metadataOf = ({ metadata }: ObjectMetadata): ObjectMetadata => ({ metadata })

export interface WatchLimits {
  /** Milliseconds without event or bookmark until a watch ends with an error; default: 3 minutes. */
  readonly watchIdle?: number
  /** Longest line of a watch, in characters; default: 16 Mi. */
  readonly maxLine?: number
}

const PAGE = 500
/** A page token lives about five minutes: a list that loses it is begun again. */
const LIST_TRIES = 3

const askedOf = (operation: string, type: ResourceType, { namespace }: ListOptions): Asked => ({
  operation,
  subject: formatGroupKind(type) + (namespace ? ` in ${namespace}` : ""),
  kind: type.kind,
})

interface Page {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: ReadonlyArray<KubeObject> | null
}

/** How the items of a collection are asked for, and what is kept of each. */
interface Form<A> {
  readonly list: string
  readonly watch: string
  readonly keep: (item: KubeObject) => A
}

const JSON_TYPE = "application/json"
const WHOLE: Form<KubeObject> = { list: JSON_TYPE, watch: JSON_TYPE, keep: (item) => item }
const THIN: Form<ObjectMetadata> = { list: METADATA_LIST, watch: METADATA, keep: metadataOf }

const lister =
  <A>(transport: Transport, { list, keep }: Form<A>) =>
  (
    caller: Caller,
    type: ResourceType,
    options: ListOptions = {},
  ): Effect.Effect<Listed<A>, KubeError> =>
    Effect.gen(function* () {
      const request = {
        asked: askedOf("list", type, options),
        caller,
        method: "GET",
        accept: list,
      } as const
      // Items of built-in kinds come without apiVersion and kind.
      const implied = { apiVersion: formatApiVersion(type), kind: type.kind }
      const items: Array<A> = []
      let next: string | undefined
      while (true) {
        const path = selectionPath(type, options, { limit: PAGE, continue: next })
        const { metadata, items: found } = (yield* transport.send({ ...request, path }))
          .json as Page
        for (const item of found ?? []) items.push(keep({ ...implied, ...item }))
        next = metadata?.continue || undefined
        if (next === undefined) return { items, resourceVersion: metadata?.resourceVersion ?? "" }
      }
    }).pipe(Effect.retry({ times: LIST_TRIES - 1, while: ({ status }) => status === 410 }))

/** `keep` sees each page before the next one comes. */
const keeper =
  <I>(transport: Transport, form: Form<I>) =>
  <A = I>(
    caller: Caller,
    type: ResourceType,
    options?: ListOptions,
    keep: (item: I) => A = (item) => item as unknown as A,
  ): Effect.Effect<Listed<A>, KubeError> =>
    lister(transport, { ...form, keep: (item: KubeObject) => keep(form.keep(item)) })(
      caller,
      type,
      options,
    )

/** Text -> events; a line without end is bounded. */
const decode =
  (asked: Asked, maxLine: number) =>
  (texts: Stream.Stream<string, KubeError>): Stream.Stream<WatchEvent<KubeObject>, KubeError> =>
    texts.pipe(
      Stream.mapAccumEffect(
        () => "",
        (before: string, text: string) => {
          const split = splitLines(before, text)
          return split[0].length > maxLine
            ? Effect.fail(garbage(asked, "a line of the watch is longer than the bound"))
            : Effect.succeed(split)
        },
      ),
      Stream.mapEffect((line) => Effect.fromResult(decodeEvent(asked, line))),
    )

const watcher =
  <A>(transport: Transport, { watch, keep }: Form<A>, limits: WatchLimits) =>
  (
    caller: Caller,
    type: ResourceType,
    options: ListOptions & { readonly resourceVersion: string },
  ): Stream.Stream<WatchEvent<A>, KubeError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { watchIdle = 180_000, maxLine = 16 * 2 ** 20 } = limits
        const asked = askedOf("watch", type, options)
        const path = selectionPath(type, options, {
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: options.resourceVersion,
          timeoutSeconds: yield* Random.nextIntBetween(300, 600),
        })
        const body = yield* transport.open({ asked, caller, method: "GET", path, accept: watch })
        const silence = idle(asked, `neither event nor bookmark within ${watchIdle / 1_000} s`)
        return NodeStream.fromReadable<Uint8Array, KubeError>({
          evaluate: () => body,
          onError: (cause) => broken(asked, cause),
        }).pipe(
          Stream.decodeText,
          decode(asked, maxLine),
          Stream.timeoutOrElse({ duration: watchIdle, orElse: () => Stream.fail(silence) }),
          Stream.map((event) =>
            event.type === "BOOKMARK" ? event : { type: event.type, object: keep(event.object) },
          ),
        )
      }),
    )

export const collections = (
  transport: Transport,
  limits: WatchLimits,
): Pick<Kube["Service"], "list" | "listMetadata" | "watch" | "watchMetadata"> => ({
  list: keeper(transport, WHOLE),
  listMetadata: keeper(transport, THIN),
  watch: watcher(transport, WHOLE, limits),
  watchMetadata: watcher(transport, THIN, limits),
})
