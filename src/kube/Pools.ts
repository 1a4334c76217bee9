/** Connections to the API server: one pool for requests, one for watches, both with the identity in force. */
import { Effect, Redacted, type Scope } from "effect"
import { Pool } from "undici"
import type { Tls } from "./credential.ts"

export interface PoolOptions {
  /** Connections for requests; default 48. Watches have their own. */
  readonly connections?: number
  /** Largest answer in bytes; default 128 MiB. */
  readonly maxResponseBytes?: number
}

export interface Pools {
  readonly tls: Tls
  readonly requests: Pool
  readonly watches: Pool
}

/** HTTP/1.1: one HTTP/2 connection applies at half the rate of many. Deadlines are the caller's, not undici's. */
const openPools = (origin: string, tls: Tls, options: PoolOptions): Pools => {
  const { key, ...rest } = tls
  const connect = { timeout: 10_000, ...rest, ...(key && { key: Redacted.value(key) }) }
  const common = { allowH2: false, connect, headersTimeout: 0, bodyTimeout: 0 }
  const { connections = 48, maxResponseBytes = 128 * 2 ** 20 } = options
  const bounds = { connections, maxResponseSize: maxResponseBytes, keepAliveTimeout: 30_000 }
  return {
    tls,
    requests: new Pool(origin, { ...common, ...bounds }),
    watches: new Pool(origin, common),
  }
}

/** The pools of the TLS settings in force; those of former ones end with their last request, or with the scope. */
export const makePools = (
  origin: string,
  options: PoolOptions,
): Effect.Effect<(tls: Tls) => Pools, never, Scope.Scope> =>
  Effect.gen(function* () {
    const alive = new Set<Pool>()
    let open: Pools | undefined
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => Promise.all([...alive].map((pool) => pool.destroy()))),
    )
    const retire = (pool: Pool): void => {
      const forget = () => alive.delete(pool)
      pool.close().then(forget, forget)
    }
    return (tls) => {
      if (open?.tls === tls) return open
      if (open !== undefined) [open.requests, open.watches].forEach(retire)
      open = openPools(origin, tls, options)
      alive.add(open.requests).add(open.watches)
      return open
    }
  })
