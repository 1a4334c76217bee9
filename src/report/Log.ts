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

type Fields = Readonly<Record<string, unknown>>

/** Whatever it is, it becomes text: a log line never fails. */
const text = (value: unknown): string => {
  if (typeof value === "string") return value
  try {
    return stringify(value) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** A value that JSON cannot hold costs its own field, not the line. */
const jsonText = (fields: Fields): string => {
  try {
    return stringify(fields)
  } catch {
    const safe = Object.entries(fields).map(([name, value]) => [name, text(value)])
    return stringify(Object.fromEntries(safe))
  }
}

const fieldsOf = (options: Logger.Options<unknown>): Fields => {
  const { cause, date, fiber, logLevel, message } = options
  const parts = Array.isArray(message) ? message : [message]
  return {
    ...fiber.getRef(References.CurrentLogAnnotations),
    time: date.toISOString(),
    level: logLevel.toLowerCase(),
    message: parts.map(text).join(" "),
    ...(cause.reasons.length === 0 ? {} : { cause: Cause.pretty(cause) }),
  }
}

/** `time`, `level` and `message` first, then what was annotated. */
export const jsonLine = (options: Logger.Options<unknown>): string => {
  const { time, level, message, ...rest } = fieldsOf(options)
  return redact(jsonText({ time, level, message, ...rest }))
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
