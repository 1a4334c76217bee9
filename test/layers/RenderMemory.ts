// Render without threads and limits: the same rules, on the caller's own thread.
import { Effect, Layer } from "effect"
import { atOnce } from "../../src/domain/parts.ts"
import { assemble } from "../../src/render/assemble.ts"
import { select } from "../../src/render/files.ts"
import { Render, type RenderRequest } from "../../src/render/Render.ts"
import { parseFile } from "../../src/render/yaml.ts"

export const layer: Layer.Layer<Render> = Layer.succeed(
  Render,
  Render.of({
    render: <E>(request: RenderRequest<E>) => {
      const selection = select(request.path, request.entries)
      const blobs = [...new Set(selection.files.map(({ entry }) => entry.blob))]
      const none: ReadonlyMap<string, Uint8Array> = new Map()
      const read: Effect.Effect<ReadonlyMap<string, Uint8Array>, E> = blobs.length === 0
        ? Effect.succeed(none)
        : request.read(blobs)
      return Effect.map(read, (bytes) =>
        atOnce(
          assemble(
            selection,
            selection.files.map(({ entry, format }) =>
              parseFile(bytes.get(entry.blob) as Uint8Array, format),
            ),
          ),
        ),
      )
    },
  }),
)
