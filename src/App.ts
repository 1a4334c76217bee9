/** Every live layer, named once, in start order. Closing runs backwards: intake first, ports last. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { Duration, Effect, Latch, Layer } from "effect"
import * as Applier from "./apply/Applier.ts"
import * as Cache from "./cache/Cache.ts"
import type { Connect } from "./cli/Cluster.ts"
import type { Tools } from "./cli/Wanted.ts"
import { type Config, decodeConfig } from "./config.ts"
import * as Controller from "./controller/Controller.ts"
import * as Deletion from "./controller/Deletion.ts"
import { isElected, whyNotLeading } from "./controller/election.ts"
import * as Finalizer from "./controller/Finalizer.ts"
import * as Leader from "./controller/Leader.ts"
import * as LiveIndex from "./controller/LiveIndex.ts"
import type { ConfigError, GitError } from "./domain/errors.ts"
import { TracesOn } from "./domain/Tracing.ts"
import * as Delivery from "./events/Delivery.ts"
import * as Hearing from "./events/Hearing.ts"
import { sinksOf } from "./events/sinks.ts"
import * as GitCli from "./git/GitCli.ts"
import { Kube } from "./kube/Kube.ts"
import { openAccess } from "./kube/KubeAuth.ts"
import * as KubeHttp from "./kube/KubeHttp.ts"
import * as MeasuredTracer from "./metrics/MeasuredTracer.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Process from "./metrics/Process.ts"
import { Registry } from "./metrics/registry.ts"
import { countAnswers, countFetched } from "./metrics/spans.ts"
import * as Traces from "./metrics/Traces.ts"
import type { Render } from "./render/Render.ts"
import * as RenderPool from "./render/RenderPool.ts"
import * as Log from "./report/Log.ts"
import * as ReporterLive from "./report/ReporterLive.ts"
import * as Supervisor from "./supervisor/Supervisor.ts"
import { REFUSALS } from "./webhook/answer.ts"
import { makeReceiver } from "./webhook/Receiver.ts"
import * as WebhookServer from "./webhook/WebhookServer.ts"
import * as CheckupLive from "./worker/CheckupLive.ts"
import { Credentials } from "./worker/Credentials.ts"
import * as HashKey from "./worker/HashKey.ts"
import * as Sync from "./worker/Sync.ts"

/** Shutdown ends the process at the latest this long after the drain deadline. */
const LAST_RESORT = Duration.toMillis(Duration.seconds(10))

/** Of shutdown, what events may take that wait for their sinks when all workers have ended. */
const LAST_EVENTS = Duration.toMillis(Duration.seconds(4))

const THREADS = 2
const THREAD_MEMORY_MB = 256
const RENDER_CACHE_BYTES = 64 * 2 ** 20
/** Of all files that one sync reads: they are in memory together. */
const READ_BYTES = 64 * 2 ** 20
/** The lease must not wait behind a busy budget; an attempt to renew it is bounded by this. */
const LEASE_CONNECTIONS = { requests: 2, deadline: 4_000 }

const KUSTOMIZE_PROCESSES = 2
const KUSTOMIZE_MEMORY_MB = 256

const dataDirOf = ({ dataDir }: Config): string =>
  dataDir === "" ? join(tmpdir(), "nopea") : resolve(dataDir)

const renderLayer = (config: Config): Layer.Layer<Render> =>
  RenderPool.layer({
    threads: THREADS,
    timeout: config.renderTimeout,
    memoryMb: THREAD_MEMORY_MB,
    maxFileBytes: config.renderMaxBytes,
    maxBytes: READ_BYTES,
    cacheBytes: RENDER_CACHE_BYTES,
    kustomize: {
      program: config.kustomize,
      folder: join(dataDirOf(config), "kustomize"),
      processes: KUSTOMIZE_PROCESSES,
      memoryMb: KUSTOMIZE_MEMORY_MB,
      timeout: config.kustomizeTimeout,
    },
  })

const gitOptions = (config: Config, dataDir: string) => ({
  dataDir,
  allowFileUrls: config.allowFileUrls,
  mirrorMaxBytes: config.mirrorMaxBytes,
  hostRate: config.gitHostRate,
  readMaxBytes: READ_BYTES,
})

/** A person at a command line: few requests, a name of their own, answers soon. */
export const connect: Connect = (access) =>
  Effect.flatMap(openAccess(access), ({ server, namespace, ...rest }) =>
    Effect.map(
      KubeHttp.makeClient({ server, ...rest }, { fieldManager: "nopea-cli", deadline: 15_000 }),
      (client) => ({ ...client, server, ...(namespace === undefined ? {} : { namespace }) }),
    ),
  )

/** A data directory that goes with the command: nobody else writes to it, or is there to sweep it. */
const ownDir = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "nopea-cli-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true })),
)

/** Rendering alone: what `nopea render` needs. */
export const localRender = (config: Config): Layer.Layer<Render> =>
  Layer.unwrap(Effect.map(ownDir, (dataDir) => renderLayer({ ...config, dataDir })))

/** Reads Git as the controller does, into a folder that goes with the command. */
export const toolsLayer: Tools = (kube) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const settings = yield* Effect.fromResult(decodeConfig({}, process.env))
      const dataDir = yield* ownDir
      const config = { ...settings, dataDir }
      const credentials = Credentials.layer.pipe(Layer.provide(Layer.succeed(Kube, kube)))
      return Layer.mergeAll(
        GitCli.layer(gitOptions(config, dataDir)),
        renderLayer(config),
        credentials,
      )
    }),
  )

const accessOf = ({ kubeconfig }: Config) => (kubeconfig === "" ? {} : { kubeconfig })

const leaderLayer = (config: Config): Layer.Layer<Leader.Leader, ConfigError> =>
  isElected(config.leaderElection, config.kubeconfig, process.env)
    ? Leader.layer({ namespace: config.namespace }).pipe(
        Layer.provide(Layer.fresh(KubeHttp.layer({ ...accessOf(config), ...LEASE_CONNECTIONS }))),
      )
    : Leader.layerOff

const portsLayer = (config: Config, leader: Leader.Leader["Service"], registry: Registry) => {
  const options = gitOptions(config, dataDirOf(config))
  const git = GitCli.layer({ ...options, received: countFetched(registry) })
  const answered = countAnswers(registry)
  const kube = KubeHttp.layer({ ...accessOf(config), mayWrite: leader.mayWrite, answered })
  return Layer.mergeAll(git, kube, renderLayer(config))
}

/** A sync that may write nothing any more has nothing to finish: the margin of a lost lease is for ending it. */
const drainTimeout = (config: Config, leader: Leader.Leader["Service"]) => (): number =>
  leader.mayWrite() ? config.drainTimeout : 0

const workersLayer = (config: Config, leader: Leader.Leader["Service"]) =>
  Supervisor.layer({ drainTimeout: drainTimeout(config, leader) }).pipe(
    Layer.provideMerge(Sync.layer(config)),
    Layer.provide(CheckupLive.layer(config)),
    Layer.provide([Applier.layer, Credentials.layer, HashKey.layer(config.namespace)]),
    Layer.provideMerge(Layer.mergeAll(LiveIndex.layer(config), ReporterLive.layer)),
    Layer.provideMerge(Cache.layer()),
  )

/** What the listener sees of a term: whether all is listed, and who takes deliveries then. */
interface Face {
  readonly listed: Latch.Latch
  readonly door: WebhookServer.Door
}

/** One term: begins with nothing known, ends with every worker stopped. */
const term = (config: Config, leader: Leader.Leader["Service"], { listed, door }: Face) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { synced } = yield* Controller.Controller
      const receive = yield* makeReceiver(config)
      const show = (taker: WebhookServer.Door["receive"]) =>
        Effect.sync(() => {
          door.receive = taker
        })
      yield* Effect.addFinalizer(() => Effect.andThen(show(undefined), listed.close))
      yield* Effect.forkScoped(
        synced.pipe(Effect.andThen(show(receive)), Effect.andThen(listed.open)),
      )
    }),
  ).pipe(
    Layer.provide(Controller.layer({ namespaces: config.namespaces })),
    Layer.provide(Finalizer.layer),
    Layer.provide(Deletion.layer(config)),
    Layer.provide(workersLayer(config, leader)),
  )

const notReady = (leader: Leader.Leader["Service"], listed: Latch.Latch) =>
  Effect.map(
    leader.status,
    (leadership) =>
      whyNotLeading(leadership) ??
      (listed.isOpen() ? undefined : "the GitRepositories are not listed yet"),
  )

const tellNoSecret = Effect.logWarning("no webhook secret: the providers' routes refuse all").pipe(
  Effect.annotateLogs({ code: REFUSALS.noSecret.code, fix: REFUSALS.noSecret.fix }),
)

const run = Effect.fnUntraced(function* (config: Config) {
  const leader = yield* Leader.Leader
  const listed = Latch.makeUnsafe(false)
  const door: WebhookServer.Door = { receive: undefined }
  const registry = yield* Metrics
  registry.collect(() => registry.set("nopea_leader", {}, Number(leader.mayWrite())))
  const ports = yield* Layer.build(portsLayer(config, leader, registry))
  const { listen, webhookMaxBytes, webhookSecret } = config
  const whyNot = notReady(leader, listed)
  yield* Layer.build(WebhookServer.layer({ ...listen, webhookMaxBytes, door, notReady: whyNot }))
  if (webhookSecret.length === 0) yield* tellNoSecret
  const work = Layer.launch(term(config, leader, { listed, door }))
  return yield* leader.whileLeading(Effect.provide(work, ports))
}, Effect.scoped)

/** What is measured of everything below, and who hears of repositories. */
const watchingLayer = (config: Config): Layer.Layer<never, ConfigError> => {
  const { cdeventsSinks, cdeventsToken, drainTimeout } = config
  const drain = Math.min(drainTimeout, LAST_EVENTS)
  const delivery = Layer.unwrap(
    Effect.map(Effect.fromResult(sinksOf(cdeventsSinks, cdeventsToken)), (sinks) =>
      Delivery.layer({ sinks, drain }),
    ),
  )
  const tracing = Layer.merge(
    MeasuredTracer.layer.pipe(Layer.provide(Traces.layer(config))),
    Layer.succeed(TracesOn, config.otlpEndpoint !== ""),
  )
  return Layer.mergeAll(
    Process.layer,
    Hearing.layer(config).pipe(Layer.provide(delivery), Layer.provideMerge(tracing)),
  ).pipe(Layer.provideMerge(Layer.sync(Metrics, () => new Registry())))
}

/** Something that cannot be interrupted must not keep a pod from ending. */
const armLastResort = (config: Config): Effect.Effect<void> =>
  Effect.sync(() => {
    process.once("SIGTERM", () => {
      const limit = config.drainTimeout + LAST_RESORT
      setTimeout(() => process.exit(1), limit).unref()
    })
  })

/** The whole controller; runs until interrupted. */
export const controller = (config: Config): Effect.Effect<void, ConfigError | GitError> =>
  Effect.andThen(armLastResort(config), run(config)).pipe(
    Effect.provide(
      leaderLayer(config).pipe(
        Layer.provideMerge(watchingLayer(config)),
        Layer.provideMerge(Log.layer({ level: config.logLevel, format: config.logFormat })),
      ),
    ),
  )
