#!/usr/bin/env node
/** Runs the command line. The live world is loaded only by commands that need it. */
import { setFlagsFromString } from "node:v8"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { cli } from "./cli/Cli.ts"
import { exitCodeOf } from "./cli/Failed.ts"

// An idle controller never collects what a large sync left: the heap grows in small steps instead of doubling.
setFlagsFromString("--heap-growing-percent=25")

const app = Effect.promise(() => import("./App.ts"))

cli({
  controller: (config) => Effect.flatMap(app, ({ controller }) => controller(config)),
  render: (config) => Layer.unwrap(Effect.map(app, ({ localRender }) => localRender(config))),
  tools: (kube) => Layer.unwrap(Effect.map(app, ({ toolsLayer }) => toolsLayer(kube))),
  connect: (access) => Effect.flatMap(app, ({ connect }) => connect(access)),
}).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(exitCodeOf(exit, process.argv[2] === "controller")),
  }),
)
