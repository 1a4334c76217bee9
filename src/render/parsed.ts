/** What the thread answers for one file; the file's name is filled in later, because a blob has none. */
import type { Failure } from "../domain/errors.ts"
import type { DesiredObject, Json, JsonObject } from "../domain/object.ts"

export interface ParsedObject extends Omit<DesiredObject, "source"> {
  readonly document: number
  readonly line: number
}

export interface Warning {
  readonly line: number
  readonly text: string
}

/** What a kustomization names, and what may stand there. */
export interface Reference {
  /** `configMapGenerator.files` */
  readonly field: string
  readonly to: string
  readonly wants: "file" | "folder" | "either" | "plugin"
  readonly line: number
}

/** A kustomization, or a configuration of one of its plugins, as kustomize gets to see it. */
export interface Scanned {
  /** Canonical: nothing that was not looked at, and nothing that two readers read differently. */
  readonly text: string
  readonly references: ReadonlyArray<Reference>
}

export interface Parsed {
  readonly objects: ReadonlyArray<ParsedObject>
  readonly failures: ReadonlyArray<Failure>
  readonly warnings: ReadonlyArray<Warning>
  /** Where the format is one of kustomize's. */
  readonly scanned?: Scanned
}

/** How blobs of this name are read: JSON strictly, everything else as YAML; `kustomization` and `plugin` are no objects. */
export type Format = "yaml" | "json" | "kustomization" | "plugin"

/** A failure that only another commit can cure. Its texts name keys and lines, never values: those may be secret. */
export const stalled = (
  code: string,
  reason: string,
  fix: string,
  at: Pick<Failure, "object" | "file" | "document" | "line"> = {},
): Failure => ({ code, reason, fix, disposition: "stall", ...at })

export const onlyFailures = (...failures: ReadonlyArray<Failure>): Parsed => ({
  objects: [],
  failures,
  warnings: [],
})

export const join = (parts: ReadonlyArray<Parsed>): Parsed => ({
  objects: parts.flatMap((part) => part.objects),
  failures: parts.flatMap((part) => part.failures),
  warnings: parts.flatMap((part) => part.warnings),
})

/** A key as messages show it: printable, and not longer than a line. */
export const showKey = (key: string): string => {
  const text = JSON.stringify(key)
  return text.length > 100 ? `${text.slice(0, 96)}…"` : text
}

export const isMapping = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)
