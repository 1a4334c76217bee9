// What every Render must do, whoever parses.
import { createHash } from "node:crypto"
import { expect, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { TreeEntry } from "../../src/domain/source.ts"
import { Render, type RenderRequest } from "../../src/render/Render.ts"

/** A tree from texts, and a `read` that counts what it is asked for. */
export const treeOf = (files: Readonly<Record<string, string | Uint8Array>>, path = ".") => {
  const content = new Map<string, Uint8Array>()
  const asked: Array<ReadonlyArray<string>> = []
  const entries = Object.entries(files).map(([name, text]): TreeEntry => {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text
    const blob = createHash("sha1").update(bytes).digest("hex")
    content.set(blob, bytes)
    return { path: name, blob, mode: "file" }
  })
  const request: RenderRequest<never> = {
    subject: "team/app",
    path,
    entries,
    everything: Effect.succeed(entries),
    read: (blobs) =>
      Effect.sync(() => {
        asked.push(blobs)
        return new Map(blobs.map((blob) => [blob, content.get(blob) as Uint8Array]))
      }),
  }
  return { request, asked }
}

export const configMap = (name: string, value = "1"): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  key: "${value}"\n`

export const run = (request: RenderRequest<never>) =>
  Effect.flatMap(Render, (render) => render.render(request))

export const renderContract = (layer: Layer.Layer<Render>): void => {
  it.live("objects come in order of file and document, with their places", () =>
    Effect.gen(function* () {
      const { request } = treeOf({
        "b.yml": `# first\n${configMap("b1")}---\n---\n${configMap("b2")}`,
        "a/x.yaml": configMap("a"),
        "c.json": '{"apiVersion": "v1",\n "kind": "Secret", "metadata": {"name": "c"}}',
        "README.md": "# no manifest",
      })
      const { objects, failures, warnings } = yield* run(request)
      expect(failures).toEqual([])
      expect(warnings).toEqual([])
      expect(objects.map(({ ref, source }) => [ref.name, ...Object.values(source)])).toEqual([
        ["a", "a/x.yaml", 1, 1],
        ["b1", "b.yml", 1, 2],
        ["b2", "b.yml", 3, 10],
        ["c", "c.json", 1, 1],
      ])
    }).pipe(Effect.provide(layer)),
  )

  it.live("bad documents are reported all at once and the good ones are kept", () =>
    Effect.gen(function* () {
      const { request } = treeOf({
        "a.yaml": `${configMap("good")}---\na: [1\n---\nkind: Pod\n---\n${configMap("too")}`,
        "b.json": "{",
      })
      const { objects, failures } = yield* run(request)
      expect(objects.map(({ ref }) => ref.name)).toEqual(["good", "too"])
      expect(failures.map(({ code, file, document }) => [code, file, document])).toEqual([
        ["NOPEA-R009", "a.yaml", 2],
        ["NOPEA-R017", "a.yaml", 3],
        ["NOPEA-R010", "b.json", 1],
      ])
    }).pipe(Effect.provide(layer)),
  )

  it.live(
    "an object that is declared twice is not among the objects, wherever its copies lie",
    () =>
      Effect.gen(function* () {
        const { request } = treeOf({
          "a.yaml": configMap("x"),
          "b.yaml": `${configMap("other")}---\n${configMap("x", "2")}`,
        })
        const { objects, failures } = yield* run(request)
        expect(objects.map(({ ref }) => ref.name)).toEqual(["other"])
        expect(failures).toMatchObject([
          { code: "NOPEA-R022", object: "/ConfigMap/x", file: "b.yaml", document: 2, line: 8 },
        ])
        expect(failures[0]?.reason).toContain("a.yaml:1 (document 1), b.yaml:8 (document 2)")
      }).pipe(Effect.provide(layer)),
  )

  it.live("only the files below the path are read", () =>
    Effect.gen(function* () {
      const { request, asked } = treeOf(
        { "deploy/a.yaml": configMap("a"), "deployment/b.yaml": configMap("b"), "c.yaml": "[" },
        "./deploy/",
      )
      const { objects, failures } = yield* run(request)
      expect(objects.map(({ ref }) => ref.name)).toEqual(["a"])
      expect(failures).toEqual([])
      expect(asked.flat()).toHaveLength(1)
    }).pipe(Effect.provide(layer)),
  )

  it.live("a tree without manifests is empty and reads nothing", () =>
    Effect.gen(function* () {
      const { request, asked } = treeOf({ "README.md": "x" })
      expect(yield* run(request)).toEqual({ objects: [], failures: [], warnings: [] })
      expect(asked).toEqual([])
    }).pipe(Effect.provide(layer)),
  )
}
