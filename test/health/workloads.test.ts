import { describe, expect, it } from "vitest"
import { conditions, type Fields, healthOf, live, seen } from "./words.ts"

const counts = (replicas: number, updated: number, available: number, ready = available) =>
  seen({
    replicas,
    updatedReplicas: updated,
    availableReplicas: available,
    readyReplicas: ready,
  })
const three = { replicas: 3 }

describe("a Deployment", () => {
  it.each<[string, Fields, string]>([
    ["nobody has seen", live(three, {}), "progressing: its controller has not looked at it yet"],
    [
      "with a new spec",
      live(three, { ...counts(3, 3, 3), observedGeneration: 1 }),
      "progressing: its controller has not seen the newest change (generation 2)",
    ],
    ["without pods", live(three, counts(0, 0, 0)), "progressing: 0 of 3 replicas are updated"],
    ["being rolled out", live(three, counts(4, 2, 3)), "progressing: 2 of 3 replicas are updated"],
    [
      "with pods that start",
      live(three, counts(3, 3, 1)),
      "progressing: 1 of 3 replicas are available",
    ],
    [
      "with old pods left",
      live(three, counts(4, 3, 3)),
      "progressing: 1 old replicas are still there",
    ],
    ["complete", live(three, counts(3, 3, 3)), "healthy"],
    ["of no replicas", live({ replicas: 0 }, seen({})), "healthy"],
    ["of one replica by default", live({}, counts(1, 1, 1)), "healthy"],
    [
      "that is not available",
      live(three, { ...counts(3, 3, 3), ...conditions("Available=False:Minimum:too few") }),
      "progressing: Available is False: too few",
    ],
    [
      "that gave up",
      live(three, {
        ...counts(3, 3, 1),
        ...conditions("Progressing=False:ProgressDeadlineExceeded:timed out"),
      }),
      "degraded: Progressing is False: timed out",
    ],
    [
      "paused before its first rollout",
      live({ ...three, paused: true }, counts(0, 0, 0)),
      "progressing: 0 of 3 replicas are updated; spec.paused is true",
    ],
    [
      "without quota",
      live(three, {
        ...counts(0, 0, 0),
        ...conditions("ReplicaFailure=True:FailedCreate:exceeded quota"),
      }),
      "progressing: 0 of 3 replicas are updated; ReplicaFailure is True: exceeded quota",
    ],
  ])("%s", (_, object, expected) => expect(healthOf("apps/Deployment", object)).toBe(expected))
})

describe("a StatefulSet", () => {
  const revisions = (now: string, next: string) => ({ currentRevision: now, updateRevision: next })
  const rolling = (partition: number) => ({
    ...three,
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition } },
  })
  it.each<[string, Fields, string]>([
    ["nobody has seen", live(three), "progressing: its controller has not looked at it yet"],
    ["that starts", live(three, counts(2, 2, 1)), "progressing: 1 of 3 replicas are ready"],
    ["complete", live(three, { ...counts(3, 3, 3), ...revisions("a", "a") }), "healthy"],
    [
      "complete after its first rollout, where updatedReplicas is not counted",
      live(three, { ...counts(3, 0, 3), ...revisions("a", "a") }),
      "healthy",
    ],
    [
      "being rolled out",
      live(three, { ...counts(3, 1, 3), ...revisions("a", "b") }),
      "progressing: 1 of 3 replicas are updated",
    ],
    [
      "about to end its rollout",
      live(three, { ...counts(3, 3, 3), ...revisions("a", "b") }),
      "progressing: the rollout of the new revision is not complete",
    ],
    [
      "behind its partition",
      live(rolling(1), { ...counts(3, 1, 3), ...revisions("a", "b") }),
      "progressing: 1 of 2 replicas are updated",
    ],
    [
      "at its partition",
      live(rolling(1), { ...counts(3, 2, 3), ...revisions("a", "b") }),
      "healthy",
    ],
    [
      "that a person rolls out",
      live(
        { ...three, updateStrategy: { type: "OnDelete" } },
        { ...counts(3, 0, 3), ...revisions("a", "b") },
      ),
      "healthy",
    ],
  ])("%s", (_, object, expected) => expect(healthOf("apps/StatefulSet", object)).toBe(expected))
})

describe("a DaemonSet", () => {
  const pods = (desired: number, current: number, updated: number, ready: number) =>
    seen({
      desiredNumberScheduled: desired,
      currentNumberScheduled: current,
      updatedNumberScheduled: updated,
      numberAvailable: ready,
      numberReady: ready,
    })
  it.each<[string, Fields, string]>([
    ["nobody has seen", live({}, {}), "progressing: its controller has not looked at it yet"],
    ["for no node", live({}, pods(0, 0, 0, 0)), "healthy"],
    ["that is scheduled", live({}, pods(2, 1, 1, 1)), "progressing: 1 of 2 pods are scheduled"],
    ["that is updated", live({}, pods(2, 2, 1, 2)), "progressing: 1 of 2 pods are updated"],
    ["that starts", live({}, pods(2, 2, 2, 1)), "progressing: 1 of 2 pods are available"],
    ["complete", live({}, pods(2, 2, 2, 2)), "healthy"],
    [
      "that a person updates",
      live({ updateStrategy: { type: "OnDelete" } }, pods(2, 2, 0, 2)),
      "healthy",
    ],
  ])("%s", (_, object, expected) => expect(healthOf("apps/DaemonSet", object)).toBe(expected))
})

describe("a ReplicaSet", () => {
  it.each<[string, Fields, string]>([
    ["complete", live(three, counts(3, 0, 3)), "healthy"],
    ["that starts", live(three, counts(3, 0, 2)), "progressing: 2 of 3 replicas are available"],
    ["that shrinks", live(three, counts(5, 0, 5)), "progressing: 2 old replicas are still there"],
  ])("%s", (_, object, expected) => expect(healthOf("apps/ReplicaSet", object)).toBe(expected))
})

describe("a Job", () => {
  it.each<[string, Fields, string]>([
    ["that waits", live({}, {}), "progressing: it has not started yet"],
    [
      "that runs",
      live({ completions: 3 }, { startTime: "t", succeeded: 1 }),
      "progressing: 1 of 3 completions are done",
    ],
    ["that is done", live({}, { startTime: "t", ...conditions("Complete=True") }), "healthy"],
    ["that is suspended", live({ suspend: true }, {}), "healthy"],
    [
      "that failed",
      live({}, { startTime: "t", ...conditions("Failed=True:BackoffLimitExceeded:gave up") }),
      "degraded: Failed is True: gave up",
    ],
    [
      "that is about to fail",
      live({}, { startTime: "t", ...conditions("FailureTarget=True:BackoffLimitExceeded") }),
      "degraded: FailureTarget is True: BackoffLimitExceeded",
    ],
  ])("%s", (_, object, expected) => expect(healthOf("batch/Job", object)).toBe(expected))
})

describe("a Pod", () => {
  const waiting = (reason: string) => ({
    containerStatuses: [{ name: "main", state: { waiting: { reason } } }],
  })
  it.each<[string, Fields, string]>([
    ["nobody has seen", live({}, {}), "progressing: its phase is not set"],
    ["that is ready", live({}, { phase: "Running", ...conditions("Ready=True") }), "healthy"],
    ["that is done", live({}, { phase: "Succeeded" }), "healthy"],
    [
      "that failed",
      live({}, { phase: "Failed", message: "evicted" }),
      "degraded: it failed: evicted",
    ],
    ["that starts", live({}, { phase: "Running" }), "progressing: it runs but is not ready"],
    [
      "that crashes again and again",
      live({}, { phase: "Running", ...waiting("CrashLoopBackOff") }),
      "degraded: container main: CrashLoopBackOff",
    ],
    [
      "whose image is not there",
      live({}, { phase: "Pending", ...waiting("ErrImagePull") }),
      "degraded: container main: ErrImagePull",
    ],
    [
      "that is being created",
      live({}, { phase: "Pending", ...waiting("ContainerCreating") }),
      "progressing: its phase is Pending",
    ],
    [
      "that fits no node",
      live({}, { phase: "Pending", ...conditions("PodScheduled=False:Unschedulable:0/3 nodes") }),
      "progressing: PodScheduled is False: 0/3 nodes",
    ],
  ])("%s", (_, object, expected) => expect(healthOf("/Pod", object)).toBe(expected))
})

describe("a Rollout of KULTA", () => {
  it.each<[string, Fields | undefined, string]>([
    ["nobody has seen", undefined, "progressing: its controller has not looked at it yet"],
    ["that begins", { phase: "Initializing" }, "progressing: the rollout is Initializing"],
    [
      "that steps",
      { phase: "Progressing", message: "step 2" },
      "progressing: the rollout is Progressing: step 2",
    ],
    ["that is paused", { phase: "Paused" }, "progressing: the rollout is Paused"],
    ["that is done", { phase: "Completed" }, "healthy"],
    [
      "that failed",
      { phase: "Failed", message: "error rate" },
      "degraded: the rollout failed: error rate",
    ],
  ])("%s", (_, status, expected) =>
    expect(healthOf("kulta.io/Rollout", live({}, status))).toBe(expected),
  )
})
