/**
 * What a plain scalar means: the rules of sigs.k8s.io/yaml, with which kubectl reads. They are YAML 1.1
 * less sexagesimal numbers and dates, plus Go's number syntax.
 * https://github.com/yaml/go-yaml/blob/v2/resolve.go
 */
import type { Json } from "../domain/object.ts"

/** `number` may be infinite or NaN, which JSON has no word for. Integers beyond ±2^53 are `bigint`. */
export type Scalar = null | boolean | number | bigint | string

const spellings = (value: Scalar, words: string): ReadonlyArray<readonly [string, Scalar]> =>
  words.split(" ").map((word) => [word, value] as const)

const WORDS: ReadonlyMap<string, Scalar> = new Map([
  ...spellings(true, "y Y yes Yes YES true True TRUE on On ON"),
  ...spellings(false, "n N no No NO false False FALSE off Off OFF"),
  ...spellings(null, "~ null Null NULL"),
  ...spellings(Number.NaN, ".nan .NaN .NAN"),
  ...spellings(Number.POSITIVE_INFINITY, ".inf .Inf .INF +.inf +.Inf +.INF"),
  ...spellings(Number.NEGATIVE_INFINITY, "-.inf -.Inf -.INF"),
  ["", null],
])

const FIRST = /^[-+0-9.yYnNtTfFoO~]/u
const SMALL = /^(?:0|[1-9][0-9]{0,14})$/u
const INTEGER = /^([-+]?)(?:0([xX][0-9a-fA-F]+|[bB][01]+|[oO]?[0-7]+)|([1-9][0-9]*|0))$/u
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/u
const DOTTED = /^\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)?$/u
const DECIMAL = /^[-+]?[0-9]+$/u

const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n
const MAX_UINT64 = 2n ** 64n - 1n

const narrow = (value: bigint): number | bigint => {
  const small = Number(value)
  return Number.isSafeInteger(small) ? small : value
}

/** Go's base-0 integers of 64 bits: `0644`, `0o17`, `0x1F`, `-0b11`. */
const integer = (digits: string): number | bigint | undefined => {
  const match = INTEGER.exec(digits)
  if (match === null) return undefined
  const [, sign, based, decimal] = match
  const octal = based !== undefined && /^[0-7]/u.test(based)
  const size = BigInt(decimal ?? (octal ? `0o${based}` : `0${based?.toLowerCase()}`))
  const value = sign === "-" ? -size : size
  const fits = value >= MIN_INT64 && value <= (sign === "" ? MAX_UINT64 : MAX_INT64)
  return fits ? narrow(value) : undefined
}

const float = (digits: string): number | bigint | undefined => {
  if (DECIMAL.test(digits)) {
    return narrow(
      digits.startsWith("-") ? -BigInt(digits.slice(1)) : BigInt(digits.replace("+", "")),
    )
  }
  const value = Number(digits)
  return Number.isFinite(value) ? value + 0 : undefined
}

const number = (text: string): number | bigint | undefined => {
  if (text.startsWith(".")) return DOTTED.test(text) ? float(text.replaceAll("_", "")) : undefined
  const digits = text.replaceAll("_", "")
  return integer(digits) ?? (FLOAT.test(digits) ? float(digits) : undefined)
}

/** The value of an untagged plain scalar. */
export const resolvePlain = (text: string): Scalar => {
  if (text !== "" && !FIRST.test(text)) return text
  if (SMALL.test(text)) return Number(text)
  const word = WORDS.get(text)
  if (word !== undefined) return word
  return /^[-+.0-9]/u.test(text) ? (number(text) ?? text) : text
}

const decodeBinary = (text: string): string | undefined => {
  const bytes = Buffer.from(text, "base64")
  if (bytes.toString("base64") !== text.replaceAll(/\s/gu, "")) return undefined
  const decoded = bytes.toString("utf8")
  return decoded.includes("\ufffd") ? undefined : decoded
}

const typed: Readonly<Record<string, (value: Scalar) => boolean>> = {
  bool: (value) => typeof value === "boolean",
  null: (value) => value === null,
  int: (value) => typeof value === "bigint" || Number.isInteger(value),
  float: (value) => typeof value === "bigint" || typeof value === "number",
}

/** The value of a scalar tagged `!!bool` and the like; unknown tags mean text. `undefined`: it is none. */
export const resolveTagged = (tag: string, text: string): Scalar | undefined => {
  const name = /^(?:!!|!<tag:yaml\.org,2002:)([a-z]+)>?$/u.exec(tag)?.[1] ?? ""
  if (name === "binary") return decodeBinary(text)
  const accepts = typed[name]
  if (accepts === undefined) return text
  const value = resolvePlain(text)
  return accepts(value) ? value : undefined
}

/** Go's `strconv.FormatFloat(value, 'g', -1, 32)`. */
const floatKey = (value: number): string => {
  const single = Math.fround(value)
  if (Number.isNaN(single)) return ".nan"
  if (!Number.isFinite(single)) return single > 0 ? ".inf" : "-.inf"
  let precision = 1
  while (precision < 9 && Math.fround(Number(single.toPrecision(precision))) !== single) precision++
  const [digits, power] = single.toExponential(precision - 1).split("e") as [string, string]
  const exponent = Number(power)
  if (exponent >= -4 && exponent < 6) return String(Number(single.toPrecision(precision)))
  const size = String(Math.abs(exponent)).padStart(2, "0")
  return `${digits}e${exponent < 0 ? "-" : "+"}${size}`
}

/** A value as a mapping's key: always text. `undefined`: kubectl has no such key. */
export const keyOf = (value: Json | undefined, source?: string): string | undefined => {
  if (value === undefined || typeof value === "object") return undefined
  if (typeof value === "string" || typeof value === "boolean") return String(value)
  if (integer((source ?? String(value)).replaceAll("_", "")) === undefined) {
    return floatKey(Number(value))
  }
  return value > MAX_INT64 ? undefined : String(value)
}
