// npm run check: format and lint, types, Effect rules, unit and architecture tests, all at once.
import { spawn } from "node:child_process"

interface Check {
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Why output with exit code 0 is a failure all the same. */
  readonly objection?: (output: string) => string | undefined
}

interface Verdict {
  readonly check: Check
  readonly output: string
  readonly failure: string | undefined
  readonly seconds: number
}

/** Without its plug-in or its files effect-tsgo checks nothing and answers 0. */
const checkedNothing = (output: string): string | undefined => {
  const [, checked, total] = /^Checked (\d+) files out of (\d+) files/m.exec(output) ?? []
  if (checked === undefined || Number(checked) === 0) return "it checked no file"
  return checked === total ? undefined : `it checked ${checked} of ${total} files`
}

const checks: ReadonlyArray<Check> = [
  { name: "biome", command: "biome", args: ["ci", "--reporter=summary"] },
  { name: "types", command: "tsc", args: ["--noEmit"] },
  {
    name: "effect",
    command: "effect-tsgo",
    args: [
      ...["diagnostics", "--project", "tsconfig.json", "--format", "text"],
      ...["--severity", "error,warning", "--strict"],
    ],
    objection: checkedNothing,
  },
  { name: "tests", command: "vitest", args: ["run", "--project", "unit", "--reporter=dot"] },
]

const run = (check: Check): Promise<Verdict> =>
  new Promise((resolve) => {
    const started = performance.now()
    const output: string[] = []
    const child = spawn(check.command, check.args, { stdio: ["ignore", "pipe", "pipe"] })
    const end = (failure: string | undefined): void => {
      const text = output.join("")
      const seconds = (performance.now() - started) / 1000
      resolve({ check, output: text, failure: failure ?? check.objection?.(text), seconds })
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => output.push(text))
    }
    child.once("error", (error) => end(`it could not start: ${error.message} (use npm run check)`))
    child.once("close", (code, signal) => end(code === 0 ? undefined : `exit ${code ?? signal}`))
  })

const report = ({ check, output, failure, seconds }: Verdict): boolean => {
  const took = `${seconds.toFixed(1)} s`
  if (failure === undefined) {
    process.stdout.write(`ok    ${check.name} (${took})\n`)
    return true
  }
  process.stdout.write(`${output}\nFAIL  ${check.name}: ${failure} (${took})\n\n`)
  return false
}

const verdicts = await Promise.all(
  checks.map(async (check) => {
    const verdict = await run(check)
    return report(verdict)
  }),
)
process.exitCode = verdicts.every(Boolean) ? 0 : 1
