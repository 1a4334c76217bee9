// What every scene of the tour needs: words on the screen, and looks at the cluster.
import type { Json } from "../test/cluster/Api.ts"
import { NAMESPACE, type Stage } from "./Stage.ts"

export const bold = process.stdout.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : String
export const say = (line = ""): void => void process.stdout.write(`${line}\n`)
export const step = (title: string): void => say(`\n${bold(`== ${title}`)}`)
export const show = (text: string): void => say(text.replace(/^/gmu, "   "))

export const keyOf = (name: string) => ({
  apiVersion: "nopea.false.systems/v1alpha1",
  kind: "GitRepository",
  metadata: { name, namespace: NAMESPACE },
})

export const repositoryKey = keyOf("shop")

export const object = (apiVersion: string, kind: string, name: string) => ({
  apiVersion,
  kind,
  metadata: { name, namespace: NAMESPACE },
})

export const status = async (
  stage: Stage,
  what: string,
  holds: (s: Json) => boolean,
  key = repositoryKey,
): Promise<Json> => {
  const live = await stage.api.waitFor(
    key,
    (found) => found?.status !== undefined && holds(found.status),
    { until: what },
  )
  return live.status
}

export const showImage = async (stage: Stage): Promise<void> =>
  show(
    await stage.kubectl(
      ...["get", "deployment", "shop", "-o"],
      "custom-columns=DEPLOYMENT:.metadata.name,IMAGE:.spec.template.spec.containers[0].image",
    ),
  )

export const syncedAt = (stage: Stage, commit: string, key = repositoryKey): Promise<Json> =>
  status(
    stage,
    `is Synced at ${commit.slice(0, 7)}`,
    (s) => s.phase === "Synced" && s.lastSyncedCommit === commit,
    key,
  )

/** What its Events say, without what was said before. */
export const showEvents = async (stage: Stage, name: string, ...reasons: ReadonlyArray<string>) => {
  const events = await stage.kubectl(
    ...["get", "events", "--sort-by=.metadata.creationTimestamp"],
    ...["--field-selector", `involvedObject.name=${name}`],
    ...["-o", "custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message"],
  )
  const isAsked = (line: string, index: number) =>
    index === 0 || reasons.length === 0 || reasons.some((reason) => line.includes(` ${reason} `))
  show(events.split("\n").filter(isAsked).join("\n"))
}

export const elapsed = (start: number): string =>
  `${((performance.now() - start) / 1000).toFixed(2)} s`
