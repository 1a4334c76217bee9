/** Every live layer, named once, in start order. Closing runs backwards: intake first, ports last. */
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { Duration, Effect, Layer } from "effect"
import * as Applier from "./apply/Applier.ts"
import * as Cache from "./cache/Cache.ts"
import type { Config } from "./config.ts"
import * as Controller from "./controller/Controller.ts"
import * as LiveIndex from "./controller/LiveIndex.ts"
import type { ConfigError, GitError } from "./domain/errors.ts"
import * as GitCli from "./git/GitCli.ts"
import * as KubeHttp from "./kube/KubeHttp.ts"
import type { Render } from "./render/Render.ts"
import * as RenderPool from "./render/RenderPool.ts"
import * as Log from "./report/Log.ts"
import * as ReporterLive from "./report/ReporterLive.ts"
import * as Supervisor from "./supervisor/Supervisor.ts"
import * as WebhookServer from "./webhook/WebhookServer.ts"
import { Credentials } from "./worker/Credentials.ts"
import * as HashKey from "./worker/HashKey.ts"
import * as Sync from "./worker/Sync.ts"

/** Shutdown ends the process at the latest this long after the drain deadline. */
const LAST_RESORT = Duration.toMillis(Duration.seconds(10))

const THREADS = 2
const THREAD_MEMORY_MB = 256
const RENDER_CACHE_BYTES = 64 * 2 ** 20
const RENDER_TOTAL_BYTES = 512 * 2 ** 20

/** Rendering alone: what `nopea render` needs. */
export const renderLayer = (config: Config): Layer.Layer<Render> =>
  RenderPool.layer({
    threads: THREADS,
    timeout: config.renderTimeout,
    memoryMb: THREAD_MEMORY_MB,
    maxFileBytes: config.renderMaxBytes,
    maxBytes: RENDER_TOTAL_BYTES,
    cacheBytes: RENDER_CACHE_BYTES,
  })

const portsLayer = (config: Config) => {
  const git = GitCli.layer({
    dataDir: config.dataDir === "" ? join(tmpdir(), "nopea") : resolve(config.dataDir),
    allowFileUrls: config.allowFileUrls,
    mirrorMaxBytes: config.mirrorMaxBytes,
  })
  const kube = KubeHttp.layer(config.kubeconfig === "" ? {} : { kubeconfig: config.kubeconfig })
  return Layer.mergeAll(git, kube, renderLayer(config), Cache.layer())
}

const workersLayer = (config: Config) =>
  Supervisor.layer({ drainTimeout: config.drainTimeout }).pipe(
    Layer.provideMerge(Sync.layer(config)),
    Layer.provide([Applier.layer, Credentials.layer, HashKey.layer(config.namespace)]),
    Layer.provideMerge(Layer.mergeAll(LiveIndex.layer, ReporterLive.layer)),
  )

const intakeLayer = (config: Config) => {
  const probes = Layer.unwrap(
    Effect.map(Controller.Controller, ({ isSynced }) =>
      WebhookServer.layer({
        ...config.listen,
        notReady: Effect.map(isSynced, (synced) =>
          synced ? undefined : "the GitRepositories are not listed yet",
        ),
      }),
    ),
  )
  return probes.pipe(Layer.provideMerge(Controller.layer({ namespaces: config.namespaces })))
}

/** The whole controller: up once its layer is built, down once it is closed. */
export const layer = (config: Config): Layer.Layer<never, ConfigError | GitError> =>
  intakeLayer(config).pipe(
    Layer.provide(workersLayer(config)),
    Layer.provide(portsLayer(config)),
    Layer.provide(Log.layer({ level: config.logLevel, format: config.logFormat })),
  )

/** Something that cannot be interrupted must not keep a pod from ending. */
const armLastResort = (config: Config): Effect.Effect<void> =>
  Effect.sync(() => {
    process.once("SIGTERM", () => {
      const limit = config.drainTimeout + LAST_RESORT
      setTimeout(() => process.exit(1), limit).unref()
    })
  })

/** Runs until interrupted. */
export const controller = (config: Config): Effect.Effect<void, ConfigError | GitError> =>
  Effect.andThen(armLastResort(config), Layer.launch(layer(config)))
