// The files of deploy/ as objects.
import { readFile } from "node:fs/promises"
import { load } from "js-yaml"
import { FILE } from "../../tools/crd.ts"
import type { KubeObject } from "../cluster/Api.ts"

/** The CustomResourceDefinition as it is shipped. */
export const definition = async (): Promise<KubeObject> =>
  load(await readFile(FILE, "utf8")) as KubeObject
