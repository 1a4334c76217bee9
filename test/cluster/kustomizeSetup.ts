// The real kustomize for tests without a cluster, compiled once; they get its path by `inject("kustomize")`.
import type { TestProject } from "vitest/node"
import { kustomizeBinary } from "./binaries.ts"

declare module "vitest" {
  interface ProvidedContext {
    readonly kustomize: string
  }
}

export default async function setup(project: TestProject): Promise<void> {
  project.provide("kustomize", await kustomizeBinary())
}
