/** What somebody does in the cluster: how soon it is undone, and what it costs where nobody does anything. */
import { eventually, type Json } from "../test/cluster/Api.ts"
import type { AuditEntry, AuditMark } from "../test/cluster/audit.ts"
import type { GitRepo } from "../test/gitserver/GitRepo.ts"
import { Bare, epoch } from "./Bare.ts"
import { compare, exact, type Figure, measured, median, type Pair } from "./figure.ts"
import type { Ground, Running } from "./Ground.ts"
import { deployment, deployments, nameOf } from "./objects.ts"
import { firstQuestion, ONE_POLL } from "./one-change.ts"
import { declare, keyOf, syncedAt } from "./repositories.ts"

const ROUNDS = 15
const WRITES = ["create", "update", "patch", "delete", "deletecollection"]
const APPS = { apiVersion: "apps/v1", kind: "Deployment" }

/** As `kubectl edit` would: another image. Answers when it was sent. */
const edit = async (
  { api }: Ground,
  namespace: string,
  name: string,
  image: string,
): Promise<number> => {
  const start = epoch()
  const containers = [{ name: "main", image: `registry.example/app:${image}` }]
  const patch = { spec: { template: { spec: { containers } } } }
  const options = { type: "strategic", fieldManager: "kubectl-edit" } as const
  await api.patch({ ...APPS, metadata: { name, namespace } }, patch, options)
  return start
}

const begin = async (
  ground: Ground,
  namespace: string,
  name: string,
  count: number,
  spec: Record<string, unknown> = {},
): Promise<GitRepo> => {
  const repo = await ground.git.createRepo(`${namespace}-${name}`)
  const commit = await repo.commit(deployments(count, "1"))
  const quiet = { interval: "1h", reconcileInterval: "2h" }
  await declare(ground, namespace, name, { url: repo.url, path: "apps", ...quiet, ...spec })
  await syncedAt(ground, namespace, name, commit)
  return repo
}

/** One edit until a watch sees it undone, by whoever `undo` leaves it to. */
const undone = async (
  ground: Ground,
  bare: Bare,
  place: { readonly namespace: string; readonly name: string; readonly image: string },
  undo: (image: string) => Promise<unknown>,
): Promise<number> => {
  const { namespace, name, image } = place
  const watch = await bare.watch(namespace, name)
  const healed = watch.seen(`app:1"`, `app:${image}"`)
  const undoing = watch.seen(`app:${image}"`).then(() => undo(image))
  const start = await edit(ground, namespace, name, image)
  const took = (await healed) - start
  await undoing
  watch.close()
  return took
}

/** Another object each time: one that is taken back after every heal is healed more and more seldom. */
export const heal = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const namespace = await ground.namespace("heal")
  const bareNamespace = await ground.namespace("bare-heal")
  const bare = new Bare(ground.plane)
  const objects = Object.values(deployments(ROUNDS + 1, "1"))
  for (const yaml of objects) await bare.apply(bareNamespace, yaml)
  const controller = await ground.controller([namespace])
  await begin(ground, namespace, "healed", ROUNDS + 1)
  const pairs: Pair[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const place = { name: nameOf(round), image: `edited-${round}` }
    const apply = () => bare.apply(bareNamespace, objects[round] ?? "")
    const byHand = await undone(ground, bare, { ...place, namespace: bareNamespace }, apply)
    const byNopea = await undone(ground, bare, { ...place, namespace }, async () => undefined)
    pairs.push({ bare: byHand, nopea: byNopea })
  }
  await controller.stop()
  await bare.close()
  return [
    compare({
      name: "an object is edited: edit sent → healed (seen by a watch)",
      baseline: "a watch that sees the edit and applies the object",
      unit: "ms",
      goal: 4,
      pairs: pairs.slice(1),
    }),
  ]
}

const COUNT = 1000

/** Syncs of this repository that ended, by trigger. */
const ended = async (controller: Running, key: string, trigger: string): Promise<number> =>
  (await controller.lines()).filter(
    (line: Json) =>
      line.message === "sync finished" && line.repository === key && line.trigger === trigger,
  ).length

const requestsOf = (ground: Ground, since: AuditMark): Promise<ReadonlyArray<AuditEntry>> =>
  ground.plane.audit({ userAgent: "nopea/", resource: "deployments", since })

const RECONCILES = 5

const unchanged = async (
  ground: Ground,
  controller: Running,
  namespace: string,
): Promise<ReadonlyArray<Figure>> => {
  const key = keyOf(namespace, "thousand")
  await ground.api.patch(key, { spec: { reconcileInterval: "2s" } })
  const count = () => ended(controller, `${namespace}/thousand`, "reconcile")
  await eventually("it reconciles", async () => (await count()) > 0 || undefined)
  const [mark, before] = [await ground.plane.auditMark(), await count()]
  const isDone = async () => (await count()) >= before + RECONCILES || undefined
  await eventually(`${RECONCILES} reconciles`, isDone, 120_000)
  const requests = await requestsOf(ground, mark)
  await ground.api.patch(key, { spec: { reconcileInterval: "2h" } })
  return [
    exact({
      name: "reconcile of 1,000 unchanged objects: requests on objects",
      goal: 0,
      value: requests.length / RECONCILES,
    }),
  ]
}

const restarted = async (
  ground: Ground,
  namespaces: ReadonlyArray<string>,
): Promise<{ readonly controller: Running; readonly figures: ReadonlyArray<Figure> }> => {
  const mark = await ground.plane.auditMark()
  const start = performance.now()
  const controller = await ground.controller(namespaces, { NOPEA_LOG_LEVEL: "debug" })
  const key = `${namespaces[0]}/thousand`
  const hasStarted = async () => (await ended(controller, key, "startup")) > 0 || undefined
  await eventually("the first sync after a restart", hasStarted, 120_000)
  const took = performance.now() - start
  const requests = await requestsOf(ground, mark)
  const name = "restart with 1,000 unchanged objects"
  const of = (verbs: ReadonlyArray<string>) => requests.filter(({ verb }) => verbs.includes(verb))
  // The further pages of a list are the same list.
  const lists = of(["list"]).filter(({ requestURI }) => !requestURI.includes("continue="))
  return {
    controller,
    figures: [
      exact({ name: `${name}: lists of their kind`, goal: 1, value: lists.length }),
      exact({ name: `${name}: writes of objects`, goal: 0, value: of(WRITES).length }),
      measured({
        name: `${name}: process start → synced`,
        unit: "ms",
        goal: Number.NaN,
        value: took,
      }),
    ],
  }
}

/** One push to the neighbour: milliseconds from its poll's question to live. */
const push = async (
  ground: Ground,
  bare: Bare,
  namespace: string,
  repo: GitRepo,
  image: string,
): Promise<number> => {
  const watch = await bare.watch(namespace, nameOf(0))
  const start = epoch()
  const seen = watch.seen(`app:${image}"`)
  const file = { [`apps/${nameOf(0)}.yaml`]: deployment(nameOf(0), image) }
  const commit = await repo.commit(file)
  const took = (await seen) - firstQuestion(ground, repo.name, start, ONE_POLL)
  watch.close()
  await syncedAt(ground, namespace, "neighbour", commit)
  return took
}

const areHealed = async ({ api }: Ground, namespace: string): Promise<true | undefined> => {
  const all = await api.list({ ...APPS, namespace })
  const isOurs = ({ spec }: Json) => spec.template.spec.containers[0].image.endsWith(":1")
  return all.every(isOurs) || undefined
}

const byNopea = (entry: AuditEntry): boolean => WRITES.includes(entry.verb) && entry.code < 300

/** All of them are edited at once, while a neighbour's pushes go on. */
const storm = async (
  ground: Ground,
  namespace: string,
  beside: { readonly namespace: string; readonly repo: GitRepo },
): Promise<ReadonlyArray<Figure>> => {
  const bare = new Bare(ground.plane)
  const pushes = async (what: string) => push(ground, bare, beside.namespace, beside.repo, what)
  const quiet: number[] = []
  for (let i = 0; i < 5; i++) quiet.push(await pushes(`quiet-${i}`))

  const mark = await ground.plane.auditMark()
  const names = Array.from({ length: COUNT }, (_, i) => nameOf(i))
  const start = epoch()
  const edits = Promise.all(names.map((name) => edit(ground, namespace, name, "storm")))
  const during: number[] = [await pushes("during-0")]
  await edits
  const edited = epoch() - start
  while ((await areHealed(ground, namespace)) === undefined) {
    if (epoch() - start > 300_000) throw new Error("the storm was not healed within 5 minutes")
    during.push(await pushes(`during-${during.length}`))
  }
  const heals = (await requestsOf(ground, mark)).filter(
    (entry) => entry.namespace === namespace && byNopea(entry),
  )
  await bare.close()
  const last = Math.max(...heals.map(({ receivedAt }) => Date.parse(receivedAt)))
  return [
    compare({
      name: "1,000 objects are edited at once: first edit → last one healed",
      baseline: "the edits themselves, sent at once",
      unit: "ms",
      goal: Number.NaN,
      pairs: [{ nopea: last - start, bare: edited }],
    }),
    exact({
      // A heal that is refused, because its object changed since it was decided, is no write.
      name: "1,000 objects are edited at once: writes for each edit",
      goal: 1,
      value: heals.length / COUNT,
    }),
    compare({
      name: "a neighbour's push meanwhile: its poll's question → live",
      baseline: "median of the same push before",
      unit: "ms",
      goal: Number.NaN,
      pairs: during.map((nopea) => ({ nopea, bare: median(quiet) })),
    }),
  ]
}

/** A thousand objects: nobody does anything, the controller restarts, somebody does everything at once. */
export const thousand = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const namespace = await ground.namespace("thousand")
  const beside = await ground.namespace("beside-thousand")
  const namespaces = [namespace, beside]
  const first = await ground.controller(namespaces, { NOPEA_LOG_LEVEL: "debug" })
  await begin(ground, namespace, "thousand", COUNT)
  const idle = await unchanged(ground, first, namespace)
  await first.stop()
  const { controller, figures } = await restarted(ground, namespaces)
  const repo = await begin(ground, beside, "neighbour", 4, { interval: "1s" })
  const storms = await storm(ground, namespace, { namespace: beside, repo })
  await controller.stop()
  return [...idle, ...figures, ...storms]
}
