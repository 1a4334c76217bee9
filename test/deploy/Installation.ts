// A variant of deploy/ at work on the test's API server: its rights, its settings, and the controller in a process.
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Api, Json, KubeObject } from "../cluster/Api.ts"
import { Controller } from "../scenario/world.ts"
import { accountToken, built, builtBy, find, install, movedTo } from "./manifests.ts"

/** What the shipped Deployment sets; where it listens and keeps its data is the test's to say. */
const shippedEnv = (objects: ReadonlyArray<KubeObject>): Record<string, string> => {
  const { env } = find(objects, "Deployment")["spec"].template.spec.containers[0]
  const literal = env.filter(({ value }: Json) => value !== undefined)
  const own = literal.filter(({ name }: Json) => !/LISTEN|DATA_DIR/u.test(name))
  return Object.fromEntries(own.map(({ name, value }: Json) => [name, value]))
}

export interface Wanted {
  /** `deploy`, or one beside it. */
  readonly folder: string
  /** In the place of `nopea-system`; it is there already. */
  readonly home: string
  /** Namespaces that `deploy/tenant` is applied to. */
  readonly tenants: ReadonlyArray<string>
  /** Further namespaces that are served. */
  readonly others?: ReadonlyArray<string>
}

export interface Installation {
  /** Started, and ready. */
  readonly controller: Controller
  /** Whom RBAC sees. */
  readonly user: string
  readonly remove: () => Promise<void>
}

export const startInstallation = async (
  api: Api,
  { folder, home, tenants, others = [] }: Wanted,
): Promise<Installation> => {
  const objects = movedTo(home, await built(folder))
  const removes = [
    await install(
      api,
      objects.filter(({ kind }) => kind !== "Namespace"),
    ),
  ]
  for (const namespace of tenants) {
    const own = await builtBy({ namespace, resources: ["deploy/tenant"] })
    removes.push(await install(api, movedTo(home, own)))
  }
  const controller = new Controller(await mkdtemp(join(tmpdir(), "nopea-installed-")), home, {
    token: await accountToken(api, home, "nopea"),
    isAtHome: true,
    env: {
      NOPEA_ALLOW_CONTROLLER_IDENTITY: "false",
      ...shippedEnv(objects),
      NOPEA_NAMESPACES: [home, ...tenants, ...others].join(","),
    },
  })
  await controller.start()
  return {
    controller,
    user: `system:serviceaccount:${home}:nopea`,
    remove: async () => {
      await controller.stop()
      await rm(controller.folder, { recursive: true })
      for (const remove of removes.toReversed()) await remove()
    },
  }
}
