/** What the values of settings may look like, and what they mean. Pure. */
import { Redacted } from "effect"
import { parseGoDuration } from "./duration.ts"

export type Parsed<A> = { readonly ok: A } | { readonly expected: string }

const ok = <A>(value: A): Parsed<A> => ({ ok: value })

export const text = (value: string): Parsed<string> => ok(value)

export const flag = (value: string): Parsed<boolean> =>
  value === "true" || value === "false" ? ok(value === "true") : { expected: "true or false" }

export const namespaces = (value: string): Parsed<ReadonlyArray<string>> => {
  const names = value.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]))
  return names.every((name) => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/u.test(name))
    ? ok(names)
    : { expected: 'comma-separated namespace names, such as "team-a,team-b"' }
}

export const duration = (value: string): Parsed<number> => {
  const parsed = parseGoDuration(value)
  return parsed === undefined || parsed <= 0
    ? { expected: 'a duration above zero, such as "30s" or "5m"' }
    : ok(parsed)
}

const UNITS: Readonly<Record<string, number>> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }

export const bytes = (value: string): Parsed<number> => {
  const match = /^([0-9]{1,12})(Ki|Mi|Gi)?$/u.exec(value)
  const size = Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? 1)
  return match !== null && size > 0 ? ok(size) : { expected: 'a size, such as "50Mi" or "1048576"' }
}

export const count = (value: string): Parsed<number> =>
  /^[1-9][0-9]{0,4}$/u.test(value)
    ? ok(Number(value))
    : { expected: "a whole number from 1 to 99999" }

export const secrets = (value: string): Parsed<ReadonlyArray<Redacted.Redacted>> => {
  const all = value.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]))
  return all.length <= 16 &&
    all.every((one) => /^(?!whsec_)|^whsec_[A-Za-z0-9+/]{32,}={0,2}$/u.test(one))
    ? ok(all.map((one) => Redacted.make(one)))
    : { expected: "at most 16 secrets, comma-separated, those with whsec_ as GitLab shows them" }
}

const httpUrl = (value: string): URL | undefined => {
  const url = URL.parse(value)
  const isPlain = url?.username === "" && url.password === ""
  return url !== null && isPlain && /^https?:$/u.test(url.protocol) ? url : undefined
}

export const urls = (value: string): Parsed<ReadonlyArray<URL>> => {
  const parts = value.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]))
  const found = parts.flatMap((part) => httpUrl(part) ?? [])
  return found.length === parts.length && found.length <= 10
    ? ok(found)
    : { expected: "at most 10 http(s) URLs without user and password, comma-separated" }
}

export const optionalUrl = (value: string): Parsed<string> =>
  value === "" || httpUrl(value) !== undefined
    ? ok(value.replace(/\/+$/u, ""))
    : {
        expected: 'an http(s) URL without user and password, such as "http://otel-collector:4318"',
      }

export const token = (value: string): Parsed<Redacted.Redacted | undefined> => {
  const word = value.trim()
  return /^[\x21-\x7e]*$/u.test(word)
    ? ok(word === "" ? undefined : Redacted.make(word))
    : { expected: "one word" }
}

export const clusterName = (value: string): Parsed<string> =>
  /^[a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?$/iu.test(value)
    ? ok(value)
    : { expected: "a name of letters, digits, dots, dashes and underscores" }

export const oneOf =
  <const A extends string>(...allowed: ReadonlyArray<A>): ((value: string) => Parsed<A>) =>
  (value): Parsed<A> => {
    const found = allowed.find((a) => a === value)
    return found === undefined ? { expected: `one of ${allowed.join(", ")}` } : ok(found)
  }

export const address = (
  value: string,
): Parsed<{ readonly host: string; readonly port: number }> => {
  const colon = value.lastIndexOf(":")
  const port = Number(value.slice(colon + 1))
  const host = value.slice(0, Math.max(colon, 0)).replace(/^\[|\]$/gu, "")
  return colon >= 0 && /^[0-9]{1,5}$/u.test(value.slice(colon + 1)) && port < 65_536
    ? ok({ host: host === "" ? "0.0.0.0" : host, port })
    : { expected: 'host:port, such as "0.0.0.0:8080"' }
}
