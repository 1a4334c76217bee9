#!/usr/bin/env node
/** Runs the command line; a pod that is told to stop exits 0. */
import { setFlagsFromString } from "node:v8"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit } from "effect"
import { controller, renderLayer } from "./App.ts"
import { cli } from "./cli/Cli.ts"

// An idle controller never collects what a large sync left: the heap grows in small steps instead of doubling.
setFlagsFromString("--heap-growing-percent=25")

cli({ controller, render: renderLayer }).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) =>
      onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1),
  }),
)
