import { describe, expect, it } from "vitest"
import { conditions, type Fields, healthOf, live, seen } from "./words.ts"

const balanced = { type: "LoadBalancer" }
const CRD = "apiextensions.k8s.io/CustomResourceDefinition"
const HPA = "autoscaling/HorizontalPodAutoscaler"
const PDB = "policy/PodDisruptionBudget"
const SERVED = "apiregistration.k8s.io/APIService"

describe("what the cluster answers for", () => {
  it.each<[string, string, Fields, string]>([
    ["a Service", "/Service", live({ type: "ClusterIP" }, { loadBalancer: {} }), "healthy"],
    [
      "a load balancer without an address",
      "/Service",
      live(balanced, { loadBalancer: {} }),
      "progressing: its load balancer has no address yet",
    ],
    [
      "a load balancer",
      "/Service",
      live(balanced, { loadBalancer: { ingress: [{ ip: "10.0.0.1" }] } }),
      "healthy",
    ],
    [
      "a load balancer whose address is given",
      "/Service",
      live({ ...balanced, externalIPs: ["10.0.0.1"] }, {}),
      "healthy",
    ],
    [
      "a claim",
      "/PersistentVolumeClaim",
      live({}, { phase: "Pending" }),
      "progressing: it is not bound to a volume yet (phase Pending)",
    ],
    ["a bound claim", "/PersistentVolumeClaim", live({}, { phase: "Bound" }), "healthy"],
    [
      "a lost claim",
      "/PersistentVolumeClaim",
      live({}, { phase: "Lost" }),
      "degraded: its volume is lost",
    ],
    ["a volume", "/PersistentVolume", live({}, { phase: "Available" }), "healthy"],
    ["a namespace", "/Namespace", live({}, { phase: "Active" }), "healthy"],
    [
      "a namespace that goes",
      "/Namespace",
      live({}, { phase: "Terminating" }),
      "terminating: its objects are being deleted",
    ],
    ["a definition", CRD, live({}, conditions("Established=True")), "healthy"],
    [
      "a definition that nobody has seen",
      CRD,
      live({}, {}),
      "progressing: nobody has said Established yet",
    ],
    [
      "a definition that is installed",
      CRD,
      live({}, conditions("Established=False:Installing:soon")),
      "progressing: Established is False: soon",
    ],
    [
      "a definition whose names are taken",
      CRD,
      live(
        {},
        conditions("NamesAccepted=False:KindConflict:taken", "Established=False:NotAccepted"),
      ),
      "degraded: NamesAccepted is False: taken",
    ],
    ["a served API", SERVED, live({}, conditions("Available=True")), "healthy"],
    [
      "an API that does not answer",
      SERVED,
      live({}, conditions("Available=False:MissingEndpoints:no endpoints")),
      "progressing: Available is False: no endpoints",
    ],
    [
      "an autoscaler",
      HPA,
      live({}, conditions("AbleToScale=True", "ScalingActive=True")),
      "healthy",
    ],
    [
      "an autoscaler nobody has seen",
      HPA,
      live({}, {}),
      "progressing: nobody has said AbleToScale yet",
    ],
    [
      "an autoscaler without a target",
      HPA,
      live({}, conditions("AbleToScale=False:FailedGetScale:not found")),
      "degraded: AbleToScale is False: not found",
    ],
    [
      "an autoscaler without metrics",
      HPA,
      live({}, conditions("AbleToScale=True", "ScalingActive=False:FailedGetResourceMetric:none")),
      "progressing: ScalingActive is False: none",
    ],
    [
      "an autoscaler of no replicas",
      HPA,
      live({}, conditions("AbleToScale=True", "ScalingActive=False:ScalingDisabled")),
      "healthy",
    ],
    [
      "a budget",
      PDB,
      live({}, seen(conditions("DisruptionAllowed=False:InsufficientPods"))),
      "healthy",
    ],
    [
      "a budget that cannot be counted",
      PDB,
      live({}, seen(conditions("DisruptionAllowed=False:SyncFailed:no scale"))),
      "degraded: DisruptionAllowed is False: no scale",
    ],
    ["an Ingress", "networking.k8s.io/Ingress", live({}, { loadBalancer: {} }), "healthy"],
    ["a CronJob", "batch/CronJob", live({}, {}), "healthy"],
  ])("%s", (_, kind, object, expected) => expect(healthOf(kind, object)).toBe(expected))
})

describe("a kind that nobody knows", () => {
  it.each<[string, Fields, string]>([
    ["without a status", live({}), "healthy"],
    ["without conditions", live({}, seen({ phase: "Odd" })), "healthy"],
    ["that is ready", live({}, seen(conditions("Ready=True"))), "healthy"],
    [
      "that is not ready",
      live({}, seen(conditions("Ready=False:NotYet:the certificate is not issued"))),
      "progressing: Ready is False: the certificate is not issued",
    ],
    [
      "that cannot say",
      live({}, seen(conditions("Ready=Unknown:Waiting"))),
      "progressing: Ready is Unknown: Waiting",
    ],
    [
      "that is not available",
      live({}, conditions("Available=False:Down")),
      "progressing: Available is False: Down",
    ],
    [
      "that reconciles while it is ready",
      live({}, conditions("Ready=True", "Reconciling=True:Rolling")),
      "progressing: Reconciling is True: Rolling",
    ],
    [
      "that stalled",
      live({}, conditions("Reconciling=True", "Stalled=True:Refused:no rights")),
      "degraded: Stalled is True: no rights",
    ],
    [
      "whose controller has not seen the newest change",
      live({}, { observedGeneration: 1, ...conditions("Ready=True") }),
      "progressing: its controller has not seen the newest change (generation 2)",
    ],
    [
      "whose controller writes generations as text",
      live({}, { observedGeneration: "1", ...conditions("Ready=True") }),
      "progressing: its controller has not seen the newest change (generation 2)",
    ],
    [
      "whose condition is of an older generation",
      live({}, { conditions: [{ type: "Ready", status: "True", observedGeneration: 1 }] }),
      "progressing: Ready is of an older generation",
    ],
    [
      "that is being deleted",
      live({}, seen(conditions("Ready=True")), { deletionTimestamp: "t", finalizers: ["x/y"] }),
      "terminating: it is being deleted; finalizers: x/y",
    ],
  ])("%s", (_, object, expected) => expect(healthOf("example.org/Widget", object)).toBe(expected))
})
