/** Collections on the wire: lists page by page, watches line by line. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, Random, Result, Stream } from "effect"
import type { KubeError } from "../domain/errors.ts"
import { formatApiVersion, formatGroupKind, type KubeObject } from "../domain/object.ts"
import type {
  Caller,
  Listed,
  ListOptions,
  ObjectMetadata,
  ResourceType,
  WatchEvent,
} from "./Kube.ts"
import { collectionPath, queryText, selection } from "./path.ts"
import type { Asked } from "./status.ts"
import type { Transport } from "./Transport.ts"
import { broken, garbage, idle } from "./unanswered.ts"
import { decodeEvent, NOTHING_PENDING, type Pending, splitLines } from "./watch.ts"

/** Metadata only; an API server that cannot answers the whole object. */
export const METADATA =
  "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
export const METADATA_LIST = METADATA.replace("Metadata;", "MetadataList;")

/** On whose behalf, and of which kind. */
export interface Use {
  readonly caller: Caller
  readonly type: ResourceType
}

export interface WatchLimits {
  /** Milliseconds without event or bookmark until a watch ends with an error. */
  readonly watchIdle: number
  /** Longest line of a watch. */
  readonly maxLineBytes: number
}

const PAGE = 500
/** A page token lives about five minutes: a list that loses it is begun again. */
const LIST_TRIES = 3

const askedOfAll = (operation: string, type: ResourceType, namespace?: string): Asked => ({
  operation,
  subject: namespace ? `${formatGroupKind(type)} in ${namespace}` : formatGroupKind(type),
  kind: type.kind,
})

export const parseJson = (asked: Asked, body: string): Effect.Effect<unknown, KubeError> =>
  Effect.try({
    try: (): unknown => JSON.parse(body),
    catch: () => garbage(asked, "the answer is not JSON"),
  })

export const metadataOf = (object: unknown): ObjectMetadata => ({
  metadata: (object as ObjectMetadata).metadata,
})

interface Page {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: ReadonlyArray<Record<string, unknown>> | null
}

/** Items of built-in kinds come without apiVersion and kind. */
export const wholeObject =
  ({ type }: Use): ((item: Record<string, unknown>) => KubeObject) =>
  (item) =>
    ({ apiVersion: formatApiVersion(type), kind: type.kind, ...item }) as unknown as KubeObject

const listPages = <A>(
  transport: Transport,
  use: Use,
  options: ListOptions,
  as: { readonly accept: string; readonly item: (item: Record<string, unknown>) => A },
): Effect.Effect<Listed<A>, KubeError> =>
  Effect.gen(function* () {
    const asked = askedOfAll("list", use.type, options.namespace)
    const items: Array<A> = []
    const path = collectionPath(use.type, options.namespace)
    let next: string | undefined
    while (true) {
      const query = queryText({ ...selection(options), limit: PAGE, continue: next })
      const request = { asked, caller: use.caller, method: "GET", accept: as.accept } as const
      const { body } = yield* transport.send({ ...request, path: path + query })
      const page = (yield* parseJson(asked, body)) as Page
      for (const item of page.items ?? []) items.push(as.item(item))
      next = page.metadata?.continue || undefined
      if (next === undefined)
        return { items, resourceVersion: page.metadata?.resourceVersion ?? "" }
    }
  })

export const list = <A>(
  ...args: Parameters<typeof listPages<A>>
): Effect.Effect<Listed<A>, KubeError> =>
  Effect.retry(listPages(...args), {
    times: LIST_TRIES - 1,
    while: (error) => error.status === 410,
  })

/** Bytes -> events; a line without end is bounded. */
const decode =
  (asked: Asked, maxLineBytes: number) =>
  (bytes: Stream.Stream<Uint8Array, KubeError>): Stream.Stream<WatchEvent<KubeObject>, KubeError> =>
    bytes.pipe(
      Stream.mapAccumEffect(
        () => NOTHING_PENDING,
        (pending: Pending, chunk: Uint8Array) => {
          const { pending: rest, lines } = splitLines(pending, chunk)
          return rest.size > maxLineBytes
            ? Effect.fail(garbage(asked, "a line of the watch is longer than the bound"))
            : Effect.succeed([rest, lines] as const)
        },
      ),
      Stream.mapEffect((line) => {
        const event = decodeEvent(asked, line)
        return Result.isSuccess(event) ? Effect.succeed(event.success) : Effect.fail(event.failure)
      }),
    )

export const watch = (
  transport: Transport,
  use: Use,
  options: ListOptions & { readonly resourceVersion: string },
  limits: WatchLimits & { readonly accept: string },
): Stream.Stream<WatchEvent<KubeObject>, KubeError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const asked = askedOfAll("watch", use.type, options.namespace)
      const query = queryText({
        ...selection(options),
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: options.resourceVersion,
        timeoutSeconds: yield* Random.nextIntBetween(300, 600),
      })
      const path = collectionPath(use.type, options.namespace) + query
      const body = yield* transport.open({
        asked,
        caller: use.caller,
        method: "GET",
        path,
        accept: limits.accept,
      })
      const onError = (cause: unknown) => broken(asked, cause)
      return NodeStream.fromReadable<Uint8Array, KubeError>({ evaluate: () => body, onError }).pipe(
        decode(asked, limits.maxLineBytes),
        Stream.timeoutOrElse({
          duration: limits.watchIdle,
          orElse: () => Stream.fail(idle(asked, limits.watchIdle)),
        }),
      )
    }),
  )

export const metadataEvent = (event: WatchEvent<KubeObject>): WatchEvent<ObjectMetadata> =>
  event.type === "BOOKMARK" ? event : { type: event.type, object: metadataOf(event.object) }
