/** Where a delivery came in: a provider's route, or a repository's own. */
import { PROVIDERS, type ProviderName } from "./providers.ts"

export type Route =
  | { readonly kind: "provider"; readonly provider: ProviderName }
  | { readonly kind: "repository"; readonly namespace?: string; readonly name: string }

const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/u

const isProvider = (name: string): name is ProviderName => Object.hasOwn(PROVIDERS, name)

/** `/webhook/github`, `/webhook/<namespace>/<name>`, `/webhook/<name>`; what follows `?` counts for nothing. */
export const routeOf = (url: string): Route | undefined => {
  const parts = url.split("?", 1)[0]?.replace(/\/$/u, "").split("/") ?? []
  const [root, webhook, first = "", second] = parts
  if (root !== "" || webhook !== "webhook" || parts.length > 4 || !NAME.test(first))
    return undefined
  if (second !== undefined) {
    return NAME.test(second) ? { kind: "repository", namespace: first, name: second } : undefined
  }
  return isProvider(first)
    ? { kind: "provider", provider: first }
    : { kind: "repository", name: first }
}
