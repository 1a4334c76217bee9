/** The log: one flat JSON object per line, or lines for a terminal. `Redacted` values print as `<redacted>`. */
import { Cause, Layer, Logger, type LogLevel, References } from "effect"
import { stringify } from "../domain/object.ts"
import { redact } from "./text.ts"

export interface LogOptions {
  readonly level: "trace" | "debug" | "info" | "warn" | "error"
  /** `auto`: console on a terminal, else JSON. */
  readonly format: "json" | "console" | "auto"
}

const LEVELS: Readonly<Record<LogOptions["level"], LogLevel.LogLevel>> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
}

/** JSON text of whatever it is: a value that JSON cannot hold costs its own field, not the line. */
const json = (value: unknown): string | undefined => {
  try {
    return stringify(value)
  } catch {
    return JSON.stringify(Object.prototype.toString.call(value))
  }
}

const text = (value: unknown): string =>
  typeof value === "string" ? value : (json(value) ?? String(value))

/** `time`, `level` and `message` first, then what was annotated, which never replaces them. */
const fieldsOf = ({ cause, date, fiber, logLevel, message }: Logger.Options<unknown>) => {
  const own = {
    time: date.toISOString(),
    level: logLevel.toLowerCase(),
    message: (Array.isArray(message) ? message : [message]).map(text).join(" "),
  }
  const failure = cause.reasons.length === 0 ? {} : { cause: Cause.pretty(cause) }
  return { ...own, ...fiber.getRef(References.CurrentLogAnnotations), ...own, ...failure }
}

/** `{"time":"…","level":"warn","message":"sync finished","repository":"shop/web"}` */
export const jsonLine = (options: Logger.Options<unknown>): string => {
  const fields = Object.entries(fieldsOf(options)).flatMap(([name, value]) => {
    const held = json(value)
    return held === undefined ? [] : [`${JSON.stringify(name)}:${held}`]
  })
  return redact(`{${fields.join(",")}}`)
}

/** `10:00:00.000 WARN sync finished repository=shop/web phase=Failed` */
export const consoleLine = (options: Logger.Options<unknown>): string => {
  const { time, level, message, cause, ...rest } = fieldsOf(options)
  const fields = Object.entries(rest).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [`${name}=${/[\s"]/u.test(text(value)) ? JSON.stringify(text(value)) : text(value)}`],
  )
  const head = `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${message}`
  const tail = cause === undefined ? [] : [`\n${String(cause)}`]
  return redact([head, ...fields, ...tail].join(" "))
}

/** On standard error, so that a command's own output stays clean. */
export const layer = ({ level, format }: LogOptions): Layer.Layer<never> => {
  const isConsole = format === "console" || (format === "auto" && process.stderr.isTTY === true)
  return Layer.mergeAll(
    Logger.layer([Logger.withConsoleError(Logger.make(isConsole ? consoleLine : jsonLine))]),
    Layer.succeed(References.MinimumLogLevel, LEVELS[level]),
  )
}
