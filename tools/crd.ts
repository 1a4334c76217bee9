/** Writes deploy/crd/gitrepositories.yaml from the schemas in src/domain. */
import { writeFile } from "node:fs/promises"
import { crdText } from "../src/cli/crdText.ts"

export const FILE = new URL("../deploy/crd/gitrepositories.yaml", import.meta.url)

/** The file's whole text. */
export const fileText = (): string =>
  `# Generated from src/domain by \`npm run crd\`.\n${crdText()}`

if (import.meta.main) await writeFile(FILE, fileText())
