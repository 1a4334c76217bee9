import { it } from "@effect/vitest"
import { Effect, Logger, Redacted } from "effect"
import { describe, expect } from "vitest"
import { consoleLine, jsonLine } from "../../src/report/Log.ts"

const written = (
  format: typeof jsonLine,
  effect: Effect.Effect<void>,
): Effect.Effect<ReadonlyArray<string>> => {
  const lines: Array<string> = []
  const logger = Logger.make((options) => void lines.push(format(options)))
  return effect.pipe(Effect.provide(Logger.layer([logger])), Effect.as(lines))
}

const annotated = (fields: Record<string, unknown>) =>
  Effect.logWarning("sync finished").pipe(Effect.annotateLogs(fields))

describe("a JSON log line", () => {
  it.effect("is one flat object: time, level and message, then what was annotated", () =>
    Effect.gen(function* () {
      const [text = ""] = yield* written(
        jsonLine,
        annotated({ repository: "shop/web", failed: 2, none: undefined }),
      )
      expect(text).not.toContain("\n")
      expect(Object.entries(JSON.parse(text))).toEqual([
        ["time", "1970-01-01T00:00:00.000Z"],
        ["level", "warn"],
        ["message", "sync finished"],
        ["repository", "shop/web"],
        ["failed", 2],
      ])
    }),
  )

  it.effect("has the cause of a failure on the same line", () =>
    Effect.gen(function* () {
      const dying = Effect.die(new TypeError("x is undefined")).pipe(
        Effect.catchCause((cause) => Effect.logError("crashed", cause)),
      )
      const [text = ""] = yield* written(jsonLine, dying)
      expect(text).not.toContain("\n")
      expect(JSON.parse(text)).toMatchObject({ message: "crashed" })
      expect(JSON.parse(text).cause).toContain("TypeError: x is undefined")
    }),
  )

  it.effect("never shows a Redacted value, nor credentials in a URL or header", () =>
    Effect.gen(function* () {
      const secret = "hunter2hunter2"
      const fields = {
        password: Redacted.make(secret),
        nested: { token: [Redacted.make(secret)] },
        url: `https://me:${secret}@git.example/web.git`,
        header: `Authorization: Bearer ${secret}`,
      }
      for (const format of [jsonLine, consoleLine]) {
        const text = (yield* written(format, annotated(fields))).join("")
        expect(text).not.toContain(secret)
        expect(text).toContain("<redacted>")
      }
    }),
  )

  it.effect("costs no more than its length, whatever it is made of", () =>
    Effect.gen(function* () {
      const secret = "hunter2hunter2"
      for (const part of ["x", "a://", "bearer ", "bearer\t\t", "://a"]) {
        const long = `${part.repeat(1_000_000)} https://me:${secret}@git.example`
        const [text = ""] = yield* written(jsonLine, annotated({ long }))
        expect(text.length).toBeGreaterThan(1_000_000)
        expect(text).not.toContain(secret)
      }
    }),
  )

  it.effect("survives what JSON cannot hold", () =>
    Effect.gen(function* () {
      const circle: Record<string, unknown> = {}
      circle["self"] = circle
      const [text = ""] = yield* written(jsonLine, annotated({ circle, big: 2n ** 64n, ok: "yes" }))
      expect(JSON.parse(text)).toMatchObject({ message: "sync finished", ok: "yes" })
    }),
  )
})

describe("a console log line", () => {
  it.effect("has the time of day, the level, the message and the fields", () =>
    Effect.gen(function* () {
      const [text] = yield* written(
        consoleLine,
        annotated({ repository: "shop/web", told: 'a "b"', failed: 2, none: undefined }),
      )
      expect(text).toBe(
        '00:00:00.000 WARN  sync finished repository=shop/web told="a \\"b\\"" failed=2',
      )
    }),
  )
})
