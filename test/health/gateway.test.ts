import { describe, expect, it } from "vitest"
import { conditions, type Fields, healthOf, live } from "./words.ts"

const of = (kind: string) => `gateway.networking.k8s.io/${kind}`
const listeners = (...all: ReadonlyArray<Fields>) => ({
  listeners: all.map((one, i) => ({ name: `l${i}`, ...one })),
})

describe("a GatewayClass", () => {
  it.each<[string, Fields, string]>([
    ["nobody has seen", {}, "progressing: nobody has said Accepted yet"],
    [
      "that waits",
      conditions("Accepted=Unknown:Pending:Waiting for controller"),
      "progressing: Accepted is Unknown: Waiting for controller",
    ],
    ["that is accepted", conditions("Accepted=True"), "healthy"],
    [
      "that is refused",
      conditions("Accepted=False:InvalidParameters:no"),
      "degraded: Accepted is False: no",
    ],
  ])("%s", (_, status, expected) =>
    expect(healthOf(of("GatewayClass"), live({}, status))).toBe(expected),
  )
})

describe("a Gateway", () => {
  const good = conditions("Accepted=True", "Programmed=True")
  it.each<[string, Fields, string]>([
    ["that is programmed", good, "healthy"],
    ["nobody has seen", {}, "progressing: nobody has said Accepted yet"],
    [
      "without an address",
      conditions("Accepted=True", "Programmed=False:AddressNotAssigned:none left"),
      "progressing: Programmed is False: none left",
    ],
    ["that is invalid", conditions("Accepted=False:Invalid:no"), "degraded: Accepted is False: no"],
    [
      "with a listener whose certificate is missing",
      {
        ...good,
        ...listeners({}, conditions("ResolvedRefs=False:InvalidCertificateRef:no Secret")),
      },
      "degraded: listener l1: ResolvedRefs is False: no Secret",
    ],
    [
      "with listeners in conflict",
      { ...good, ...listeners(conditions("Conflicted=True:HostnameConflict")) },
      "degraded: listener l0: Conflicted is True: HostnameConflict",
    ],
    [
      "with good listeners",
      {
        ...good,
        ...listeners(conditions("Accepted=True", "ResolvedRefs=True", "Conflicted=False")),
      },
      "healthy",
    ],
  ])("%s", (_, status, expected) =>
    expect(healthOf(of("Gateway"), live({}, status))).toBe(expected),
  )

  it("waits while a condition is of an older generation", () => {
    const status = {
      conditions: ["Accepted", "Programmed"].map((type) => ({
        type,
        status: "True",
        observedGeneration: 1,
      })),
    }
    expect(healthOf(of("Gateway"), live({}, status))).toBe(
      "progressing: Accepted is of an older generation",
    )
  })
})

describe("a route", () => {
  const [a, b] = [{ name: "a" }, { name: "b", namespace: "edge", sectionName: "web" }]
  const answer = (parentRef: Fields, ...all: ReadonlyArray<string>) => ({
    parentRef,
    controllerName: "example.org/c",
    ...conditions(...all),
  })
  const ok = ["Accepted=True", "ResolvedRefs=True"]
  const cases: ReadonlyArray<[string, ReadonlyArray<Fields>, ReadonlyArray<Fields>, string]> = [
    ["without parents", [], [], "healthy"],
    ["nobody has seen", [a], [], "progressing: Gateway shop/a: it has not answered yet"],
    ["that is accepted by all", [a, b], [answer(a, ...ok), answer(b, ...ok)], "healthy"],
    [
      "whose parent is named in full by the controller",
      [a],
      [
        answer(
          { group: "gateway.networking.k8s.io", kind: "Gateway", namespace: "shop", name: "a" },
          ...ok,
        ),
      ],
      "healthy",
    ],
    [
      "one parent of which has not answered",
      [a, b],
      [answer(a, ...ok)],
      "progressing: Gateway edge/b: it has not answered yet",
    ],
    [
      "that one parent refuses while another is silent",
      [a, b],
      [answer(b, "Accepted=False:NotAllowedByListeners:other namespace")],
      "degraded: Gateway edge/b: Accepted is False: other namespace",
    ],
    [
      "whose backend is missing",
      [a],
      [answer(a, "Accepted=True", "ResolvedRefs=False:BackendNotFound:no Service api")],
      "degraded: Gateway shop/a: ResolvedRefs is False: no Service api",
    ],
    [
      "that two controllers answer for, one of them not content",
      [a],
      [answer(a, ...ok), answer(a, "Accepted=False:Pending:soon")],
      "progressing: Gateway shop/a: Accepted is False: soon",
    ],
    ["of a controller that says Accepted alone", [a], [answer(a, "Accepted=True")], "healthy"],
  ]
  it.each(cases)("%s", (_, parentRefs, parents, expected) => {
    for (const kind of ["HTTPRoute", "GRPCRoute", "TLSRoute"])
      expect(healthOf(of(kind), live({ parentRefs }, { parents }))).toBe(expected)
  })
})

describe("a policy", () => {
  it("is as its ancestors say", () => {
    const ancestor = (...all: ReadonlyArray<string>) => ({
      ancestors: [{ ancestorRef: { name: "a" }, ...conditions(...all) }],
    })
    const said = (status: Fields) => healthOf(of("BackendTLSPolicy"), live({}, status))
    expect(said({})).toBe("healthy")
    expect(said(ancestor("Accepted=True"))).toBe("healthy")
    expect(said(ancestor("Accepted=False:Conflicted:older one"))).toBe(
      "degraded: Gateway shop/a: Accepted is False: older one",
    )
  })
})
