// The tour: what NOPEA does, on a real API server and a real Git server, on one screen.

import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { eventually, type Json } from "../test/cluster/Api.ts"
import { freePort } from "../test/cluster/freePort.ts"
import { stall } from "../test/gitserver/failures.ts"
import type { GitRepo } from "../test/gitserver/GitRepo.ts"
import { NAMESPACE, type Stage, setStage } from "./Stage.ts"

const bold = process.stdout.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : String
const say = (line = ""): void => void process.stdout.write(`${line}\n`)
const step = (title: string): void => say(`\n${bold(`== ${title}`)}`)
const show = (text: string): void => say(text.replace(/^/gmu, "   "))

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

const keyOf = (name: string) => ({
  apiVersion: "nopea.false.systems/v1alpha1",
  kind: "GitRepository",
  metadata: { name, namespace: NAMESPACE },
})

const repositoryKey = keyOf("shop")

const object = (apiVersion: string, kind: string, name: string) => ({
  apiVersion,
  kind,
  metadata: { name, namespace: NAMESPACE },
})

const status = async (
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

const syncedAt = (stage: Stage, commit: string, key = repositoryKey): Promise<Json> =>
  status(
    stage,
    `is Synced at ${commit.slice(0, 7)}`,
    (s) => s.phase === "Synced" && s.lastSyncedCommit === commit,
    key,
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
  say(`Synced ${elapsed(start)} after "kubectl apply" of the GitRepository:`)
  show(await stage.kubectl("get", "gitrepositories"))
  show(
    await stage.kubectl("get", "deployments,services,configmaps", "-l", "nopea.io/repository=shop"),
  )
}

const elapsed = (start: number): string => `${((performance.now() - start) / 1000).toFixed(2)} s`

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
  show(await stage.kubectl("get", "deployment", "shop", "-o", "wide"))
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
  show(
    await stage.kubectl("get", "deployments,services,configmaps", "-l", "nopea.io/repository=shop"),
  )
}

const breakIt = async (stage: Stage, repo: GitRepo): Promise<void> => {
  step("A broken commit is reported, and changes nothing")
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
  show(await stage.kubectl("get", "deployment", "shop", "-o", "wide"))
  const commit = await repo.commit(
    { "deploy/deployment.yaml": deployment("1.2") },
    { message: "shop: version 1.2" },
  )
  await syncedAt(stage, commit)
  say("The next good commit is applied as if nothing had happened:")
  show(await stage.kubectl("get", "deployment", "shop", "-o", "wide"))
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

const isolate = async (stage: Stage, shop: GitRepo): Promise<void> => {
  step("A Git server hangs, a git process is killed: the neighbours go on")
  const stock = await stage.git.createRepo("stock")
  const key = keyOf("stock")
  const first = await stock.commit({ "stock.yaml": banner.replace("banner", "stock") })
  await stage.api.apply({ ...key, spec: { url: stock.url, interval: "1s" } })
  await syncedAt(stage, first, key)
  stock.fail(stall())
  const second = await stock.commit(
    { "stock.yaml": banner.replace("banner", "stock").replace("summer", "winter") },
    { message: "stock: winter" },
  )
  const pids = await gitProcessesOf(stock)
  say(`The server answers nothing to the worker of "stock" any more: git hangs.`)
  const commit = await shop.commit(
    { "deploy/deployment.yaml": deployment("1.3") },
    { message: "shop: version 1.3" },
  )
  const start = performance.now()
  await syncedAt(stage, commit)
  say(`A push to "shop", found by its poll, is live ${elapsed(start)} later all the same.`)
  stock.recover()
  for (const pid of pids) process.kill(pid, "SIGKILL")
  await syncedAt(stage, second, key)
  say(`Killed (${pids.join(", ")}): only its own worker noticed, said so, and tried again:`)
  show(
    await stage.kubectl(
      ...["get", "events", "--sort-by=.metadata.creationTimestamp"],
      ...["--field-selector", "involvedObject.name=stock"],
      ...["-o", "custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message"],
    ),
  )
  show(await stage.kubectl("get", "gitrepositories"))
}

const keep = async (stage: Stage): Promise<void> => {
  say(`\nKEEP=1: everything keeps running until Ctrl-C.
  kubectl --kubeconfig ${stage.plane.kubeconfig} -n ${NAMESPACE} get gitrepositories
  the Git repository, to clone and push to: ${stage.git.url}/shop.git
  the controller's log: ${stage.controllerLog}`)
  await new Promise((resolve) => {
    const alive = setInterval(() => undefined, 60_000)
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        clearInterval(alive)
        resolve(signal)
      })
    }
  })
}

const tour = async (): Promise<void> => {
  say(bold("NOPEA: Git repository -> server-side apply -> cluster"))
  step("A control plane, a Git server and the controller, all on this machine")
  const start = performance.now()
  const stage = await setStage(say, await freePort())
  try {
    const version = (await stage.api.call("GET", "/version")).body.gitVersion
    say(`Kubernetes ${version} and the controller are up after ${elapsed(start)}.`)
    const repo = await stage.git.createRepo("shop")
    await firstSync(stage, repo)
    await push(stage, repo)
    await remove(stage, repo)
    await breakIt(stage, repo)
    await isolate(stage, repo)
    if (process.env["KEEP"] === "1") await keep(stage)
  } catch (cause) {
    const log = await import("node:fs/promises").then((fs) =>
      fs.readFile(stage.controllerLog, "utf8").catch(() => ""),
    )
    process.stderr.write(`\nthe controller's last words:\n${log.slice(-3000)}\n`)
    throw cause
  } finally {
    await stage.stop()
  }
  say(`\n${bold("Done")}, and cleaned up. Everything above was real: nothing was simulated.`)
}

await tour().catch((cause: unknown) => {
  process.stderr.write(
    `\nthe demo failed: ${cause instanceof Error ? cause.message : String(cause)}\n`,
  )
  process.exitCode = 1
})
