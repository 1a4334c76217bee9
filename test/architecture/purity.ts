// What code may do: lower-case files only compute, time and randomness are asked for, failures are values.
import { posix } from "node:path"
import type { Code, Site } from "./code.ts"
import type { Rule } from "./rule.ts"
import { baseOf, isPure } from "./tree.ts"

const THREAD = "src/render/thread.ts"

/** Value modules compute; these run, wait or hold state. */
const EFFECTFUL =
  /^(Cache|Channel|Clock|Console|Deferred|Effect|ExecutionPlan|Fiber\w*|Latch|Layer\w*|Logger|ManagedRuntime|Metric|PubSub|Pull|Queue|Random|RcMap|RcRef|Ref\w*|Resource|Runtime|Scheduler?|Scope\w*|Semaphore|Sink|Stream|SubscriptionRef|SynchronizedRef|TestClock|Tracer|Tx\w*)$/

const PURE_NODE = new Set(["node:buffer", "node:path", "node:path/posix", "node:url", "node:util"])
const PURE_CRYPTO = new Set(["createHash", "createHmac", "hash", "timingSafeEqual"])
const AMBIENT = /^(process|performance|globalThis|navigator)\./
const CLOCKS = /^(Date\.now|performance\.now|process\.hrtime|Math\.random|crypto\.randomUUID)$/
const TIMERS = /^(setTimeout|setInterval|setImmediate|queueMicrotask|new Date|randomUUID)$/

/** Catches what is not a failure but a defect or an interruption. */
const CATCHES_DEFECTS =
  /^Effect\.(catchCause\w*|catchDefect|catchAllDefect|matchCause\w*|sandbox|ignoreCause)$/

/** Where a crash ends, and nowhere else. */
const MAY_CATCH_DEFECTS = new Set(["src/supervisor/Supervisor.ts", "src/events/Delivery.ts"])

/** Clocks and timers that Effect's own cannot replace. */
const TIMES_ALLOWED: Readonly<Record<string, string>> = {
  "src/App.ts": "the process must end even when a finalizer does not",
}

const importersOf = (codes: ReadonlyArray<Code>, path: string): ReadonlyArray<string> =>
  codes
    .filter((code) =>
      code.imports.some(
        ({ from, typeOnly }) =>
          !typeOnly && posix.join(posix.dirname(code.path), from) === path && from.startsWith("."),
      ),
    )
    .map((code) => code.path)

/** The thread's entry and the files that nothing but thread code imports. */
export const threadCode = (codes: ReadonlyArray<Code>): ReadonlySet<string> => {
  const found = new Set(codes.some(({ path }) => path === THREAD) ? [THREAD] : [])
  for (let size = 0; size !== found.size; ) {
    size = found.size
    for (const { path } of codes) {
      const importers = importersOf(codes, path)
      if (importers.length > 0 && importers.every((i) => found.has(i))) found.add(path)
    }
  }
  return found
}

const say = (code: Code, sites: ReadonlyArray<Site>): ReadonlyArray<string> =>
  sites.map((site) => `${code.path}:${site.line}: ${site.name}`)

const sitesIn = (
  codes: ReadonlyArray<Code>,
  match: (site: Site) => boolean,
): ReadonlyArray<string> =>
  codes.flatMap((code) => say(code, [...code.members, ...code.calls].filter(match)))

const withoutThreads = (codes: ReadonlyArray<Code>): ReadonlyArray<Code> => {
  const threads = threadCode(codes)
  return codes.filter(({ path }) => !threads.has(path))
}

const effectfulBindings = (code: Code): ReadonlyArray<Site> =>
  code.imports
    .filter(({ from }) => from === "effect" || from.startsWith("effect/"))
    .flatMap(({ from, line, bindings }) => {
      const module = from.slice("effect/".length)
      return bindings
        .filter((b) => !b.typeOnly)
        .filter((b) =>
          from === "effect"
            ? b.imported === "*" || EFFECTFUL.test(b.imported)
            : EFFECTFUL.test(module),
        )
        .map((b) => ({ name: `imports ${b.local} of "${from}"`, line }))
    })

const effectfulNode = (code: Code): ReadonlyArray<Site> =>
  code.imports
    .filter(({ from, typeOnly }) => from.startsWith("node:") && !typeOnly && !PURE_NODE.has(from))
    .filter(
      ({ from, bindings }) =>
        from !== "node:crypto" || !bindings.every((b) => PURE_CRYPTO.has(b.imported)),
    )
    .map(({ from, line }) => ({ name: `imports "${from}"`, line }))

/** A capitalised file of ours, at run time. */
const effectfulOurs = (code: Code): ReadonlyArray<Site> =>
  code.imports
    .filter(({ from, typeOnly }) => from.startsWith(".") && !typeOnly)
    .filter(({ from, kind }) => kind === "dynamic" || /^[A-Z]/.test(baseOf(from)))
    .map(({ from, line }) => ({ name: `imports "${from}"`, line }))

export const purityRules: ReadonlyArray<Rule> = [
  {
    name: "a lower-case file computes and does nothing else",
    offences: (codes) =>
      withoutThreads(codes)
        .filter((code) => isPure(code.path))
        .flatMap((code) =>
          say(code, [
            ...effectfulBindings(code),
            ...effectfulNode(code),
            ...effectfulOurs(code),
            ...code.members.filter(({ name }) => AMBIENT.test(name)),
            ...code.calls.filter(({ name }) => name === "fetch"),
          ]),
        ),
    bad: [
      [{ "src/plan/x.ts": 'import { Effect } from "effect"' }, /imports Effect/],
      [{ "src/plan/x.ts": 'import * as E from "effect"' }, /imports E/],
      [{ "src/plan/x.ts": 'import * as Q from "effect/Queue"' }, /effect\/Queue/],
      [{ "src/git/protocol.ts": 'import { readFile } from "node:fs/promises"' }, /node:fs/],
      [{ "src/plan/x.ts": 'import { randomBytes } from "node:crypto"' }, /node:crypto/],
      [{ "src/worker/state.ts": 'import { Worker } from "./Worker.ts"' }, /Worker\.ts/],
      [{ "src/plan/x.ts": "export const a = process.env" }, /x\.ts:1: process\.env/],
      [{ "src/plan/x.ts": 'export const a = () => fetch("x")' }, /fetch/],
    ],
    good: [
      { "src/plan/x.ts": 'import { Option, Schema } from "effect"' },
      { "src/plan/x.ts": 'import { type Effect, Result } from "effect"' },
      { "src/plan/x.ts": 'import { createHash } from "node:crypto"\nimport "node:path"' },
      { "src/worker/state.ts": 'import type { Worker } from "./Worker.ts"' },
      { "src/git/GitCli.ts": 'import { Effect } from "effect"\nimport "node:fs"' },
      { "src/render/thread.ts": 'import { parentPort } from "node:worker_threads"' },
    ],
  },
  {
    name: "time and randomness come from Effect",
    offences: (codes) =>
      sitesIn(
        withoutThreads(codes).filter(({ path }) => TIMES_ALLOWED[path] === undefined),
        ({ name }) => CLOCKS.test(name) || TIMERS.test(name),
      ),
    bad: [
      [{ "src/git/GitCli.ts": "export const a = Date.now()" }, /Date\.now/],
      [{ "src/git/GitCli.ts": "export const a = new Date()" }, /new Date/],
      [{ "src/git/GitCli.ts": "export const a = Math.random()" }, /Math\.random/],
      [{ "src/git/GitCli.ts": "setTimeout(() => {}, 1)" }, /setTimeout/],
    ],
    good: [
      { "src/git/GitCli.ts": "export const a = new Date(1)\nexport const b = Math.max(1)" },
      { "src/App.ts": "setTimeout(() => {}, 1)" },
    ],
  },
  {
    name: "failures are values: only thread code throws",
    offences: (codes) => withoutThreads(codes).flatMap((code) => say(code, code.throws)),
    bad: [
      [{ "src/git/GitCli.ts": 'throw new Error("x")' }, /GitCli\.ts:1: throw/],
      [
        {
          "src/render/thread.ts": 'import { a } from "./yaml.ts"',
          "src/render/yaml.ts": 'export const a = () => { throw new Error("x") }',
          "src/cli/Cli.ts": 'import { a } from "../render/yaml.ts"',
        },
        /yaml\.ts:1: throw/,
      ],
    ],
    good: [
      {
        "src/render/thread.ts": 'import { a } from "./yaml.ts"\nthrow new Error("x")',
        "src/render/yaml.ts": 'import "./deep.ts"\nthrow new Error("x")',
        "src/render/deep.ts": 'throw new Error("x")',
        "src/render/RenderPool.ts": 'import type { A } from "./yaml.ts"',
      },
    ],
  },
  {
    name: "nothing is written past the logger",
    offences: (codes) => sitesIn(codes, ({ name }) => name.startsWith("console.")),
    bad: [[{ "src/git/GitCli.ts": 'console.log("x")' }, /console\.log/]],
    good: [{ "src/git/GitCli.ts": "export const a = Logger.consoleJson" }],
  },
  {
    name: "only supervision, and the delivery of events, catches defects",
    offences: (codes) =>
      sitesIn(
        codes.filter(({ path }) => !MAY_CATCH_DEFECTS.has(path)),
        ({ name }) => CATCHES_DEFECTS.test(name),
      ),
    bad: [
      [{ "src/worker/Sync.ts": "a.pipe(Effect.catchCause(() => b))" }, /catchCause/],
      [{ "src/worker/Sync.ts": "a.pipe(Effect.catchDefect(f))" }, /catchDefect/],
    ],
    good: [
      { "src/worker/Sync.ts": "a.pipe(Effect.catchTag(f), Effect.tapCause(g))" },
      { "src/supervisor/Supervisor.ts": "a.pipe(Effect.catchCause(() => b))" },
    ],
  },
  {
    name: "exceptions to these rules name files that exist",
    offences: (codes) => {
      const known = new Set(codes.map(({ path }) => path))
      return [...MAY_CATCH_DEFECTS, ...Object.keys(TIMES_ALLOWED), THREAD].filter(
        (path) => !known.has(path),
      )
    },
    bad: [[{ "src/supervisor/Watchdog.ts": "" }, /Supervisor\.ts/]],
    good: [
      {
        "src/App.ts": "",
        "src/events/Delivery.ts": "",
        "src/render/thread.ts": "",
        "src/supervisor/Supervisor.ts": "",
      },
    ],
  },
]
