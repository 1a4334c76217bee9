/** Port 2: blobs -> desired objects, isolated in time and memory. */
import { Context, type Effect } from "effect"
import type { Failure, RenderError } from "../domain/errors.ts"
import type { DesiredObject } from "../domain/object.ts"
import type { BlobId, TreeEntry } from "../domain/source.ts"

export interface RenderRequest<E> {
  /** For messages: `namespace/name` of the GitRepository, or the directory. */
  readonly subject: string
  /** The directory that is rendered; `.` for the root. Entries lie below it. */
  readonly path: string
  readonly entries: ReadonlyArray<TreeEntry>
  /** All entries of the repository: asked for where a kustomization names something outside `path`. */
  readonly everything: Effect.Effect<ReadonlyArray<TreeEntry>, E>
  /** Called with blobs that are not known from an earlier render: once, or for a kustomization as it unfolds. */
  readonly read: (blobs: ReadonlyArray<BlobId>) => Effect.Effect<ReadonlyMap<BlobId, Uint8Array>, E>
}

export interface Rendered {
  /** Every valid object, in order of file and document. */
  readonly objects: ReadonlyArray<DesiredObject>
  /** Every bad document, file or entry, all at once. Non-empty: the render is incomplete, nothing may be pruned. */
  readonly failures: ReadonlyArray<Failure>
  /** Dropped fields and other things a person should know; they change nothing. */
  readonly warnings: ReadonlyArray<string>
}

export class Render extends Context.Service<
  Render,
  {
    readonly render: <E>(request: RenderRequest<E>) => Effect.Effect<Rendered, RenderError | E>
  }
>()("nopea/render/Render") {}
