// The tour: what NOPEA does, on a real API server and a real Git server, on one screen.

import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { promisify } from "node:util"
import { eventually, type Json } from "../test/cluster/Api.ts"
import { freePort } from "../test/cluster/freePort.ts"
import { stall } from "../test/gitserver/failures.ts"
import type { GitRepo } from "../test/gitserver/GitRepo.ts"
import { drift } from "./drift.ts"
import {
  chooseCluster,
  NAMESPACE,
  program,
  type Stage,
  setStage,
  usesCurrentCluster,
} from "./Stage.ts"
import {
  bold,
  elapsed,
  keyOf,
  object,
  repositoryKey,
  say,
  show,
  showEvents,
  showImage,
  status,
  step,
  syncedAt,
} from "./telling.ts"

/** Resolves at Ctrl-C. A second one ends the process without cleaning up. */
const interrupted = new Promise<NodeJS.Signals>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve)
})

const deployment = (tag: string): string => `apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  replicas: 0
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - {name: shop, image: "registry.example/shop:${tag}"}
`

const service = `apiVersion: v1
kind: Service
metadata:
  name: shop
spec:
  selector: {app: shop}
  ports: [{port: 80}]
`

const banner = `apiVersion: v1
kind: ConfigMap
metadata:
  name: banner
data:
  text: summer sale
`

/** What NOPEA holds of the shop, in few columns. */
const showObjects = async (stage: Stage): Promise<void> =>
  show(
    await stage.kubectl(
      ...["get", "deployments,services,configmaps", "-l", "nopea.io/repository=shop"],
      ...["-o", "custom-columns=KIND:.kind,NAME:.metadata.name"],
    ),
  )

const firstSync = async (stage: Stage, repo: GitRepo): Promise<void> => {
  step("First sync: three files in Git, one GitRepository in the cluster")
  const commit = await repo.commit(
    {
      "deploy/deployment.yaml": deployment("1.0"),
      "deploy/service.yaml": service,
      "deploy/banner.yaml": banner,
    },
    { message: "shop: version 1.0" },
  )
  const start = performance.now()
  await stage.api.apply({
    ...repositoryKey,
    spec: { url: repo.url, path: "deploy", interval: "1s" },
  })
  await syncedAt(stage, commit)
  say(`Synced ${elapsed(start)} after the GitRepository was applied:`)
  show(await stage.kubectl("get", "gitrepositories"))
  await showObjects(stage)
}

const push = async (stage: Stage, repo: GitRepo): Promise<void> => {
  step("A push is live a moment later")
  const mark = stage.plane.hasAudit ? await stage.plane.auditMark() : undefined
  const commit = await repo.commit(
    { "deploy/deployment.yaml": deployment("1.1") },
    { message: "shop: version 1.1" },
  )
  const start = performance.now()
  await stage.api.patch(repositoryKey, {
    metadata: { annotations: { "nopea.io/reconcile-requested-at": new Date().toISOString() } },
  })
  await stage.api.waitFor(
    object("apps/v1", "Deployment", "shop"),
    (live) => live?.spec.template.spec.containers[0].image.endsWith(":1.1"),
    { until: "runs version 1.1" },
  )
  say(`Live ${elapsed(start)} after the push, told by an annotation (a poll would find it too):`)
  await syncedAt(stage, commit)
  await showImage(stage)
  if (mark !== undefined) {
    const requests = await stage.plane.audit({
      userAgent: "nopea/",
      namespace: NAMESPACE,
      resource: ["deployments", "services", "configmaps"],
      since: mark,
    })
    const lines = requests.map(({ verb, resource, name }) => `${verb} ${resource}/${name}`)
    say(`All that NOPEA asked of the API server about these objects: ${lines.join(", ")}`)
  }
}

const remove = async (stage: Stage, repo: GitRepo): Promise<void> => {
  step("A file leaves Git, its object is pruned")
  const commit = await repo.commit(
    { "deploy/banner.yaml": null },
    { message: "shop: the sale is over" },
  )
  await stage.api.waitForGone(object("v1", "ConfigMap", "banner"))
  await syncedAt(stage, commit)
  await showObjects(stage)
}

const breakIt = async (stage: Stage, repo: GitRepo): Promise<void> => {
  step("A broken file is reported, and its object left alone")
  await repo.commit(
    {
      "deploy/deployment.yaml": deployment("1.2").replace(
        "replicas: 0",
        "replicas: 0\n replicas: 1",
      ),
    },
    { message: "shop: version 1.2, mistyped" },
  )
  const failed = await status(stage, "is Failed", (s) => s.phase === "Failed")
  show(await stage.kubectl("get", "gitrepositories"))
  for (const one of failed.failures) {
    show(`${one.code} ${one.file}, line ${one.line}: ${one.reason}\n  fix: ${one.fix}`)
  }
  say("The Deployment is as it was:")
  await showImage(stage)
  const commit = await repo.commit(
    { "deploy/deployment.yaml": deployment("1.2") },
    { message: "shop: version 1.2" },
  )
  await syncedAt(stage, commit)
  say("The next good commit is applied as if nothing had happened:")
  await showImage(stage)
}

/** The processes in which git speaks to the server about this repository: git, and its helper. */
const gitProcessesOf = ({ url }: GitRepo): Promise<ReadonlyArray<number>> =>
  eventually("git speaks to the server", async () => {
    const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,args="])
    const lines = stdout
      .split("\n")
      .filter((one) => one.includes("remote-http") && one.includes(url))
    return lines.length === 0 ? undefined : lines.map((line) => Number.parseInt(line, 10))
  })

const stockFile = (season: string) => ({
  "stock.yaml": banner.replace("banner", "stock").replace("summer", season),
})

/** Answers the second repository. */
const isolate = async (stage: Stage, shop: GitRepo): Promise<GitRepo> => {
  step("One Git server hangs, its git is killed: the neighbour goes on")
  const stock = await stage.git.createRepo("stock")
  const key = keyOf("stock")
  const first = await stock.commit(stockFile("summer"))
  await stage.api.apply({ ...key, spec: { url: stock.url, interval: "1s" } })
  await syncedAt(stage, first, key)
  stock.fail(stall())
  const second = await stock.commit(stockFile("winter"), { message: "stock: winter" })
  const pids = await gitProcessesOf(stock)
  say(`A second repository, "stock": its server stops answering, and its git hangs.`)
  const commit = await shop.commit(
    { "deploy/deployment.yaml": deployment("1.3") },
    { message: "shop: version 1.3" },
  )
  const start = performance.now()
  await syncedAt(stage, commit)
  say(`A push to "shop" is live ${elapsed(start)} later all the same, found by its poll.`)
  stock.recover()
  for (const pid of pids) process.kill(pid, "SIGKILL")
  await syncedAt(stage, second, key)
  say(
    `That git is killed (${pids.join(", ")}): its own worker alone notices, reports it, tries again:`,
  )
  await showEvents(stage, "stock")
  show(await stage.kubectl("get", "gitrepositories"))
  return stock
}

const crash = async (stage: Stage, shop: GitRepo, stock: GitRepo): Promise<void> => {
  step("A worker crashes: it is restarted, and the neighbour goes on")
  const key = keyOf("stock")
  const debug = await stage.debug()
  const bug = await debug.plant({
    after: '("Sync.render")',
    when: `journey.key === "${NAMESPACE}/stock"`,
    change: "journey.repository = undefined",
  })
  say(
    `Node's debugger puts a bug into the running controller: syncs of "stock" run into undefined.`,
  )
  const third = await stock.commit(stockFile("spring"), { message: "stock: spring" })
  const isCrash = ({ reason }: Json): boolean => reason === "WorkerCrashed"
  await status(stage, "has crashed", ({ conditions }) => conditions.some(isCrash), key)
  const commit = await shop.commit(
    { "deploy/deployment.yaml": deployment("1.4") },
    { message: "shop: version 1.4" },
  )
  const start = performance.now()
  await syncedAt(stage, commit)
  say(`A push to "shop" is live ${elapsed(start)} later all the same:`)
  show(await stage.kubectl("get", "gitrepositories"))
  await bug.remove()
  await debug.shut()
  await syncedAt(stage, third, key)
  say(
    `The bug is taken out again (strikes: ${bug.strikes()}), and the next worker of "stock" syncs:`,
  )
  await showEvents(stage, "stock", "WorkerCrashed")
  show(await stage.kubectl("get", "gitrepositories"))
}

const keep = async (stage: Stage): Promise<void> => {
  say(`
${bold("KEEP=1")}: everything keeps running until Ctrl-C. In another terminal:
  alias k='${stage.plane.bin.kubectl} --kubeconfig ${stage.plane.kubeconfig} -n ${NAMESPACE}'
  k get gitrepositories
  alias nopea='KUBECONFIG=${stage.plane.kubeconfig} ${process.execPath} ${program}'
  nopea status shop -n ${NAMESPACE}
  git clone ${stage.git.url}/shop.git    # change deploy/*.yaml, commit, push
  tail -f ${stage.controllerLog}`)
  const alive = setInterval(() => undefined, 60_000)
  await interrupted
  clearInterval(alive)
}

class Interrupted extends Error {}

/** Ctrl-C ends the tour as a failure does: by cleaning up. */
const untilInterrupted = (work: Promise<void>): Promise<void> => {
  const stopped = interrupted.then((signal) => {
    throw new Interrupted(`stopped by ${signal}, and cleaned up`)
  })
  return Promise.race([work, stopped])
}

const play = async (stage: Stage): Promise<void> => {
  const repo = await stage.git.createRepo("shop")
  await firstSync(stage, repo)
  await push(stage, repo)
  await drift(stage)
  await remove(stage, repo)
  await breakIt(stage, repo)
  await crash(stage, repo, await isolate(stage, repo))
}

const lastWords = async (stage: Stage): Promise<void> => {
  const log = await readFile(stage.controllerLog, "utf8").catch(() => "")
  process.stderr.write(`\nthe controller's last words:\n${log.slice(-3000)}\n`)
}

const tour = async (): Promise<void> => {
  say(bold("NOPEA: Git repository -> server-side apply -> cluster"))
  await chooseCluster()
  const where = usesCurrentCluster
    ? "Your cluster, and on this machine"
    : "On this machine: a cluster,"
  step(`${where} a Git server and the controller`)
  const start = performance.now()
  const stage = await setStage(say, await freePort())
  try {
    const version = (await stage.api.call("GET", "/version")).body.gitVersion
    say(`Kubernetes ${version} and the controller are up after ${elapsed(start)}.`)
    await untilInterrupted(play(stage))
    if (process.env["KEEP"] === "1") await keep(stage)
  } catch (cause) {
    if (!(cause instanceof Interrupted)) await lastWords(stage)
    throw cause
  } finally {
    await stage.stop()
  }
  say(`\n${bold("Done")}, and cleaned up. Everything above was real: nothing was simulated.`)
}

await tour().catch((cause: unknown) => {
  const message = cause instanceof Error ? cause.message : String(cause)
  process.stderr.write(
    `\nthe demo ${cause instanceof Interrupted ? "was" : "failed:"} ${message}\n`,
  )
  process.exit(cause instanceof Interrupted ? 130 : 1)
})
