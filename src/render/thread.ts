/** A render thread: parses the files of one batch, answers each as soon as it is done. */
import { parentPort } from "node:worker_threads"
import { scanFile } from "./kustomization.ts"
import type { Format, Parsed } from "./parsed.ts"
import { parseFile } from "./yaml.ts"

/** One file that has to be parsed. */
export interface Job {
  readonly bytes: Uint8Array
  readonly format: Format
}

const answer = ({ bytes, format }: Job): Parsed =>
  format === "kustomization" || format === "plugin"
    ? scanFile(bytes, format)
    : parseFile(bytes, format)

parentPort?.on("message", (batch: ReadonlyArray<Job>) => {
  for (const job of batch) parentPort?.postMessage(answer(job))
})
