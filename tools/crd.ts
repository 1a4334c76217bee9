/** Writes deploy/crd/gitrepositories.yaml from the schemas in src/domain. */
import { writeFile } from "node:fs/promises"
import { dump } from "js-yaml"
import { crd } from "../src/domain/crd.ts"

export const FILE = new URL("../deploy/crd/gitrepositories.yaml", import.meta.url)

/** The file's whole text. */
export const crdText = (): string =>
  `# Generated from src/domain by \`npm run crd\`.\n${dump(crd(), { noRefs: true, lineWidth: -1 })}`

if (import.meta.main) await writeFile(FILE, crdText())
