/** Render's live side: files are parsed on threads, a kustomization is built by kustomize; assembled on the main thread. */
import { Effect, Layer } from "effect"
import type { RenderError } from "../domain/errors.ts"
import { inTurns } from "../domain/Turns.ts"
import { assemble } from "./assemble.ts"
import { hasKustomization, select } from "./files.ts"
import { type KustomizeOptions, makeKustomizations } from "./Kustomizations.ts"
import { makeParsing, type ParsingOptions } from "./Parsing.ts"
import { Render, type Rendered, type RenderRequest } from "./Render.ts"
import { makeThreads, type ThreadOptions } from "./Threads.ts"

export interface RenderPoolOptions extends ThreadOptions, ParsingOptions {
  readonly kustomize: KustomizeOptions
}

const make = Effect.fnUntraced(function* (options: RenderPoolOptions) {
  const parsing = makeParsing(yield* makeThreads(options), options)
  const kustomizations = yield* makeKustomizations(parsing, options)
  return Render.of({
    render: Effect.fn("Render.render")(function* <E>(
      request: RenderRequest<E>,
    ): Effect.fn.Return<Rendered, RenderError | E> {
      if (hasKustomization(request.path, request.entries)) {
        return yield* kustomizations.render(request)
      }
      const selection = select(request.path, request.entries)
      const parsed = yield* parsing.files(request, selection.files)
      return yield* inTurns(assemble(selection, parsed))
    }),
  })
})

export const layer = (options: RenderPoolOptions): Layer.Layer<Render> =>
  Layer.effect(Render, make(options))
