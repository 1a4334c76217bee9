import { describe, expect, it } from "vitest"
import { isHandled, unready } from "../../src/cli/Acting.ts"
import { type View, viewOf } from "../../src/cli/view.ts"

const view = (status: Record<string, unknown>): View =>
  viewOf({
    apiVersion: "nopea.io/v1",
    kind: "GitRepository",
    metadata: { namespace: "default", name: "app" },
    status,
  } as unknown as Parameters<typeof viewOf>[0])

const EARLY = "2026-01-01T00:00:00.000Z"
const TOKEN = "2026-01-01T00:01:00.000Z"
const LATE = "2026-01-01T00:02:00.000Z"

describe("a request for a sync", () => {
  it.each([
    ["our own", TOKEN, EARLY, "Synced", true],
    ["a later one", LATE, EARLY, "Failed", true],
    ["the one before, from a clock that is ahead", LATE, LATE, "Synced", false],
    ["an earlier one", EARLY, undefined, "Synced", false],
    ["our own, and the sync still waits for its objects", TOKEN, EARLY, "Syncing", false],
    ["none", undefined, undefined, "Pending", false],
  ])("handled was %s", (_, lastHandledReconcileAt, before, phase, is) => {
    const seen = view({ phase, ...(lastHandledReconcileAt ? { lastHandledReconcileAt } : {}) })
    expect(isHandled(seen, { token: TOKEN, before })).toBe(is)
  })

  it("did not fail where it waits for another repository", () => {
    const ready = (reason: string) => ({
      conditions: [
        {
          type: "Ready",
          status: "False",
          reason,
          message: "db is not ready",
          lastTransitionTime: EARLY,
        },
      ],
    })
    expect(unready(view(ready("DependencyNotReady")))).toBe("the sync waits: db is not ready")
    expect(unready(view(ready("Stalled")))).toBe("the sync failed")
  })
})
