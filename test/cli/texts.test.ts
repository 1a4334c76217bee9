import { describe, expect, it } from "vitest"
import { codesPage, explained, findCode, normalCode } from "../../src/cli/codes.ts"
import { definitionText, schemaPaths } from "../../src/cli/definition.ts"
import { driftText, getText, historyText, syncedText } from "../../src/cli/lists.ts"
import { statusText } from "../../src/cli/statusText.ts"
import { EXIT, failureLines, noRepository, notInstalled, toldOf } from "../../src/cli/told.ts"
import { inOrder } from "../../src/cli/view.ts"
import { unpainted } from "../../src/cli/words.ts"
import { crd } from "../../src/domain/crd.ts"
import { KubeError } from "../../src/domain/errors.ts"
import { drifted, failed, held, NOW, synced, view } from "./views.ts"

const how = { now: NOW, wide: false }
const told = { now: NOW, paint: unpainted }

describe("nopea get", () => {
  it("is one line for each, by namespace and name", () => {
    const views = inOrder([view("web", failed), view("api", synced), view("new")])
    expect(getText(views, { ...how, namespaced: true })).toBe(
      `NAMESPACE   NAME   PHASE     COMMIT    RESOURCES   DRIFT   LAST SYNC   AGE
shop        api    Synced    4f1c2ab   12/12       0       8m          3d
shop        new    Pending   -         -           0       -           3d
shop        web    Failed    3e2d1cc   11/12       0       8m          3d`,
    )
  })
  it("says in its wide form what is followed, and the message", () => {
    const text = getText([view("api", synced, { ref: { tag: "v1" } })], {
      ...how,
      wide: true,
      namespaced: false,
    })
    expect(text.split("\n")[1]).toBe(
      "api    Synced   4f1c2ab   12/12       0       8m          3d    https://git.example.com/shop.git   tag v1    deploy   applied 4f1c2ab: 12 objects",
    )
  })
})

describe("nopea status", () => {
  it("of one that is well says so, and gives no advice", () => {
    expect(statusText(view("api", synced), told)).toBe(`shop/api  Synced
  applied 4f1c2ab: 12 objects

Follows   https://git.example.com/shop.git (branch main, path deploy)
Commit    4f1c2ab "api: 3 replicas" by ann@example.com, 10m ago
Synced    4f1c2ab, last change 8m ago
Objects   12 of 12 applied
Last sync 8m ago (webhook): Synced in 0.21s, 1 configured
Policy    heal auto, conflicts to git, prune up to 50%

Conditions
  Ready   True   Succeeded   24h`)
  })
  it("says what is delegated to whom", () => {
    const delegated = {
      deployment: "apps/Deployment/shop/api",
      rollout: "kulta.io/Rollout/shop/api",
      inGit: true,
    }
    expect(statusText(view("api", { ...synced, delegated }), told)).toContain(
      "\nDelegated apps/Deployment/shop/api to kulta.io/Rollout/shop/api\n",
    )
  })
  it("of one that failed says where, why and the way out", () => {
    expect(statusText(view("api", failed), told)).toContain(`shop/api  Failed
  4f1c2ab: 11 of 12 objects applied

`)
    expect(statusText(view("api", failed), told)).toContain(`1 failure
  NOPEA-A004  batch/Job/shop/migrate  deploy/job.yaml, line 14, document 2
    why  field is immutable: spec.template
    fix  set spec.force, or rename the object
`)
    expect(statusText(view("api", failed), told)).toContain(`Next
  nopea rollback api -n shop   goes back to 3e2d1cc
  nopea explain NOPEA-A004     says more about it`)
  })
  it("of several failures counts them once, where they are listed", () => {
    const message = failed.conditions[0]?.message.replace(
      "applied.",
      "applied (and 2 more failures).",
    )
    const conditions = [{ ...failed.conditions[0], message }]
    const text = statusText(view("api", { ...failed, conditions }), told)
    expect(text).toContain("shop/api  Failed\n  4f1c2ab: 11 of 12 objects applied\n")
  })
  it("of one that drifted says who did what, and what becomes of it", () => {
    expect(statusText(view("api", drifted), told)).toContain(`Drift
  apps/Deployment/shop/api  spec.replicas
    changed by kubectl-edit (Update), 5m ago
    held until 2026-11-21T12:05:01Z (in 5m1s): spec.healGracePeriod
  Service/shop/api
    deleted by somebody, 2m ago
    left
`)
  })
  it("of held deletes says how to approve them", () => {
    const text = statusText(view("api", held), told)
    expect(text).toContain("spec.pruneLimit 50% allows: nothing is deleted\n")
    expect(text).toContain("nopea diff api -n shop            shows what would be deleted")
    expect(text).toContain("nopea approve-prune api -n shop   lets 4f1c2ab delete what left Git")
  })
  it("of a suspended one says how it goes on, of an unseen spec that it is unseen", () => {
    const text = statusText(
      view("api", { phase: "Suspended", observedGeneration: 0 }, { suspend: true }),
      told,
    )
    expect(text).toContain("nopea resume api -n shop   goes on syncing and healing")
    expect(text).toContain("Note      the controller has not looked at the newest spec yet")
  })
  it("reads a status of another version as far as it can", () => {
    const text = statusText(
      view("api", { phase: "Quantum", resourceCount: 3, drift: "none" }),
      told,
    )
    expect(text).toContain("shop/api  Pending")
    expect(text).toContain("Objects   0 of 3 applied")
  })
  it("lists at most ten failures, and says how many more there are", () => {
    const many = Array.from({ length: 13 }, () => failed.failures[0])
    expect(statusText(view("api", { ...failed, failures: many }), told)).toContain("  and 3 more\n")
  })
})

describe("nopea drift and history", () => {
  it("name object, field, author, time and end", () => {
    expect(driftText(view("api", drifted).status.drift ?? [], how)).toBe(
      `OBJECT                     FIELD           TYPE           AUTHOR                  TIME                   ACTION   UNTIL
apps/Deployment/shop/api   spec.replicas   manual_drift   kubectl-edit (Update)   2026-11-21T11:55:00Z   held     2026-11-21T12:05:01Z
Service/shop/api           (the object)    deleted        somebody                2026-11-21T11:58:00Z   left     -`,
    )
  })
  it("list the syncs with what they wrote", () => {
    expect(historyText(view("api", synced).status.history ?? [], how)).toBe(
      `AGE   COMMIT    TRIGGER   PHASE    DURATION   RESULT
8m    4f1c2ab   webhook   Synced   0.21s      1 configured`,
    )
  })
})

describe("nopea sync", () => {
  it("tells of its own sync, and not of the one before", () => {
    const text = "shop/api  Synced  4f1c2ab  12 of 12 objects applied: "
    expect(syncedText(view("api", synced), "2026-11-21T11:52:00.500Z")).toBe(
      `${text}1 configured in 0.21s`,
    )
    expect(syncedText(view("api", synced), "2026-11-21T11:59:00Z")).toBe(`${text}no change`)
  })
})

describe("nopea explain", () => {
  it.each(["NOPEA-A004", "nopea-a004", "A004", "a4"])("takes %s", (text) => {
    expect(normalCode(text)).toBe("NOPEA-A004")
  })
  it("prints meaning, cause and what to do", () => {
    const code = findCode("D1")
    expect(code && explained(code)).toMatch(/^NOPEA-D001: .+\n {2}usually .+\n {2}what to do .+$/)
    expect(findCode("A999")).toBeUndefined()
    expect(findCode("what?")).toBeUndefined()
  })
  it("has every area on its page", () => {
    expect(codesPage().match(/^## /gm)).toHaveLength(7)
  })
})

const refused = (code: string) =>
  new KubeError({
    code,
    operation: "list",
    subject: "x",
    reason: "why",
    fix: "server's",
    disposition: "retry",
    status: 0,
    statusReason: "",
  })

describe("failures", () => {
  it.each([
    ["NOPEA-A002", EXIT.refused],
    ["NOPEA-A018", EXIT.unreachable],
    ["NOPEA-A023", EXIT.unreachable],
    ["NOPEA-A015", EXIT.notFound],
    ["NOPEA-A009", EXIT.usage],
  ])("%s ends with %i", (code, exit) => {
    expect(toldOf(refused(code)).exit).toBe(exit)
  })
  it("are one line, and the way out", () => {
    expect(failureLines(toldOf(refused("NOPEA-A002")))).toBe(
      "NOPEA-A002 list x: why\n  fix: server's",
    )
  })
  it("tell an absent definition from one of another version", () => {
    expect(notInstalled("https://a", []).message).toContain("not installed at https://a")
    expect(notInstalled("https://a", ["nopea.false.systems/v1"]).message).toContain(
      "in nopea.false.systems/v1,",
    )
  })
  it("say where else the name is, else what may have been meant", () => {
    const name = { name: "a", namespace: "n" }
    expect(noRepository({ ...name, near: ["b"], elsewhere: ["m"] }).fix).toContain("-n m")
    expect(noRepository({ ...name, near: ["b"], elsewhere: [] }).fix).toBe("did you mean b?")
    expect(noRepository({ ...name, near: [], elsewhere: [] }).fix).toContain("get -A")
  })
})

describe("the definition in the cluster", () => {
  const ours = schemaPaths(crd())
  const without = (field: string) => new Set([...ours].filter((path) => !path.includes(field)))
  it("is as this program knows it, older, or newer", () => {
    expect(definitionText(ours, ours)).toBe("as this program knows it")
    expect(definitionText(ours, without("spec.verify"))).toMatch(
      /^older than this program: it lacks v1alpha1 spec\.verify;/,
    )
    expect(definitionText(without("spec.verify"), ours)).toBe(
      "newer than this program: it has v1alpha1 spec.verify besides",
    )
  })
})
