/** Writes docs/errors.md from the table in src/cli/codes.ts. */
import { writeFile } from "node:fs/promises"
import { codesPage } from "../src/cli/codes.ts"

export const FILE = new URL("../docs/errors.md", import.meta.url)

if (import.meta.main) await writeFile(FILE, codesPage())
