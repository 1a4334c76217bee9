/** The form of an event: CDEvents 0.5.1 as CloudEvents 1.0 over HTTP. https://cdevents.dev Pure. */
import { createHash } from "node:crypto"

const SPEC = "0.5.1"

/** Standard types where the standard's own meaning holds, else our own: see docs/adr/010-service-removed.md. */
export const TYPES = {
  fetched: "dev.cdeventsx.nopea-repository.fetched.0.1.0",
  started: "dev.cdeventsx.nopea-deployment.started.0.1.0",
  finished: "dev.cdeventsx.nopea-deployment.finished.0.1.0",
  failed: "dev.cdeventsx.nopea-deployment.failed.0.1.0",
  drift: "dev.cdeventsx.nopea-drift.detected.0.1.0",
  deployed: "dev.cdevents.service.deployed.0.3.0",
  upgraded: "dev.cdevents.service.upgraded.0.3.0",
  rolledback: "dev.cdevents.service.rolledback.0.3.0",
  removed: "dev.cdevents.service.removed.0.3.0",
} as const
export type EventKind = keyof typeof TYPES

/** What happened, before it has an id and a place in a chain. */
export interface Draft {
  readonly kind: EventKind
  readonly subject: string
  readonly content: Readonly<Record<string, unknown>>
  readonly customData: Readonly<Record<string, unknown>>
  /** Milliseconds since the epoch: when it happened. */
  readonly time: number
}

export type Link =
  | { readonly linkType: "PATH" | "END"; readonly from: { readonly contextId: string } }
  | {
      readonly linkType: "RELATION"
      readonly linkKind: "TRIGGER"
      readonly target: { readonly contextId: string }
    }

export interface CDEvent {
  readonly context: {
    readonly specversion: typeof SPEC
    readonly id: string
    readonly source: string
    readonly type: string
    readonly timestamp: string
    readonly chainId: string
    readonly links?: ReadonlyArray<Link>
  }
  readonly subject: {
    readonly id: string
    readonly source: string
    readonly content: Readonly<Record<string, unknown>>
  }
  readonly customData: Readonly<Record<string, unknown>>
  readonly customDataContentType: "application/json"
}

/** A chain is a sync, and its id a UUID (version 8) that everybody who knows the sync's id can say. */
export const chainIdOf = (syncId: string): string => {
  const hex = createHash("sha256").update(`nopea sync ${syncId}`).digest("hex")
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-")
}

export interface Position {
  readonly id: string
  readonly source: string
  readonly chainId: string
  readonly links: ReadonlyArray<Link>
}

export const eventOf = (draft: Draft, { id, source, chainId, links }: Position): CDEvent => ({
  context: {
    specversion: SPEC,
    id,
    source,
    type: TYPES[draft.kind],
    timestamp: new Date(draft.time).toISOString(),
    chainId,
    ...(links.length === 0 ? {} : { links }),
  },
  subject: { id: draft.subject, source, content: draft.content },
  customData: draft.customData,
  customDataContentType: "application/json",
})

export interface Message {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a header may not hold, as UTF-8. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md */
const headerText = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[^\u0021-\u007e]|["%]/gu, (sign) =>
      [...Buffer.from(sign, "utf8")]
        .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
        .join(""),
    )

const attributesOf = ({ context, subject }: CDEvent) => ({
  specversion: "1.0",
  id: context.id,
  source: context.source,
  type: context.type,
  subject: subject.id,
  time: context.timestamp,
})

/** Binary: attributes as headers. Structured: everything in the body. */
export const messageOf = (event: CDEvent, mode: "binary" | "structured"): Message => {
  const attributes = attributesOf(event)
  if (mode === "structured") {
    const data = { ...attributes, datacontenttype: "application/json", data: event }
    return {
      headers: { "content-type": "application/cloudevents+json" },
      body: JSON.stringify(data),
    }
  }
  const headers = Object.entries(attributes).map(([name, value]) => [
    `ce-${name}`,
    headerText(value),
  ])
  return {
    headers: { "content-type": "application/json", ...Object.fromEntries(headers) },
    body: JSON.stringify(event),
  }
}
