// GitRepositories as the API server sends them, for tests of what the command line writes.

import { type View, viewOf } from "../../src/cli/view.ts"
import type { KubeObject } from "../../src/domain/object.ts"

export const NOW = Date.parse("2026-11-21T12:00:00Z")

export const object = (
  name: string,
  status: Readonly<Record<string, unknown>> = {},
  spec: Readonly<Record<string, unknown>> = {},
): KubeObject => ({
  apiVersion: "nopea.false.systems/v1alpha1",
  kind: "GitRepository",
  metadata: { name, namespace: "shop", generation: 1, creationTimestamp: "2026-11-18T12:00:00Z" },
  spec: { url: "https://git.example.com/shop.git", branch: "main", path: "deploy", ...spec },
  status: { observedGeneration: 1, ...status },
})

export const view = (...words: Parameters<typeof object>): View => viewOf(object(...words))

const SHA = "4f1c2ab000000000000000000000000000000000"
const OLD = "3e2d1cc000000000000000000000000000000000"

export const synced = {
  phase: "Synced",
  lastSyncedCommit: SHA,
  lastAttemptedCommit: SHA,
  lastSyncTime: "2026-11-21T11:52:00Z",
  commit: {
    sha: SHA,
    message: "api: 3 replicas",
    author: "ann@example.com",
    time: "2026-11-21T11:50:00Z",
  },
  resourceCount: 12,
  appliedCount: 12,
  driftedCount: 0,
  suspendedCount: 0,
  history: [
    {
      commit: SHA,
      trigger: "webhook",
      phase: "Synced",
      startedAt: "2026-11-21T11:52:00Z",
      duration: "0.21s",
      created: 0,
      configured: 1,
      pruned: 0,
      healed: 0,
      failed: 0,
      syncId: "01J",
    },
  ],
  conditions: [
    {
      type: "Ready",
      status: "True",
      reason: "Succeeded",
      message: "applied 4f1c2ab: 12 objects",
      lastTransitionTime: "2026-11-20T12:00:00Z",
    },
  ],
}

export const drifted = {
  ...synced,
  phase: "Drifted",
  appliedCount: 11,
  driftedCount: 1,
  drift: [
    {
      object: "apps/Deployment/shop/api",
      type: "manual_drift",
      path: "spec.replicas",
      manager: "kubectl-edit",
      operation: "Update",
      time: "2026-11-21T11:55:00Z",
      firstSeen: "2026-11-21T11:55:01Z",
      action: "held",
      until: "2026-11-21T12:05:01Z",
      reason: "spec.healGracePeriod",
    },
    {
      object: "/Service/shop/api",
      type: "deleted",
      firstSeen: "2026-11-21T11:58:00Z",
      action: "left",
    },
  ],
}

export const failed = {
  ...synced,
  phase: "Failed",
  lastSyncedCommit: OLD,
  appliedCount: 11,
  failures: [
    {
      code: "NOPEA-A004",
      object: "batch/Job/shop/migrate",
      file: "deploy/job.yaml",
      document: 2,
      line: 14,
      reason: "field is immutable: spec.template",
      fix: "set spec.force, or rename the object",
    },
  ],
  conditions: [
    {
      type: "Ready",
      status: "False",
      reason: "ApplyFailed",
      message:
        "4f1c2ab: 11 of 12 objects applied. batch/Job/shop/migrate: field is immutable [NOPEA-A004]. Fix: set spec.force",
      lastTransitionTime: "2026-11-21T11:52:00Z",
    },
  ],
}

export const held = {
  ...synced,
  phase: "Failed",
  lastSyncedCommit: OLD,
  conditions: [
    {
      type: "Ready",
      status: "False",
      reason: "PruneHeld",
      message: `4 of 6 objects left Git, more than spec.pruneLimit 50% allows: nothing is deleted. Fix: bring them back to Git, or approve: kubectl annotate …=${SHA}`,
      lastTransitionTime: "2026-11-21T11:52:00Z",
    },
  ],
}
