/** Where numbers are left, and read at `/metrics`. Whoever has no registry given leaves them nowhere. */
import { Context } from "effect"
import { Registry } from "./registry.ts"

/** Has a default, so that numbers are an aside: code that is tested without them needs none. */
export const Metrics: Context.Reference<Registry> = Context.Reference("nopea/metrics/Metrics", {
  defaultValue: () => new Registry(0),
})
