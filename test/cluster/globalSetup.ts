// One control plane per test run; tests in other processes get its address by `inject("cluster")`.
import type { TestProject } from "vitest/node"
import { type ClusterInfo, startControlPlane } from "./ControlPlane.ts"

declare module "vitest" {
  interface ProvidedContext {
    readonly cluster: ClusterInfo
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const plane = await startControlPlane()
  project.provide("cluster", plane.info)
  return () => plane.stop({ keepLogs: project.vitest.state.getCountOfFailedTests() > 0 })
}
