/** What is heard of repositories, as numbers. Pure but for the registry that it writes to. */
import { keyOf } from "../domain/repository.ts"
import type { Registry } from "../metrics/registry.ts"
import { countSync, gauges } from "../metrics/syncs.ts"
import type { Heard } from "../report/Audience.ts"

export const measure = (registry: Registry, heard: Heard): void => {
  if (heard.what === "finished") countSync(registry, heard)
  if (heard.what === "crashed")
    registry.count("nopea_worker_crashes_total", { repository: keyOf(heard.repository) })
  if (heard.what === "crashed" || heard.what === "suspended" || heard.what === "health")
    gauges(registry, heard.repository, heard.after)
  if (heard.what === "rejected") {
    registry.set("nopea_repository_ready", { repository: heard.key }, 0)
    registry.set("nopea_repository_suspended", { repository: heard.key }, 0)
  }
}
