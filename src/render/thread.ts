/** A render thread: parses the files of one batch, answers each as soon as it is done. */
import { parentPort } from "node:worker_threads"
import type { Format } from "./parsed.ts"
import { parseFile } from "./yaml.ts"

/** One file that has to be parsed. */
export interface Job {
  readonly bytes: Uint8Array
  readonly format: Format
}

parentPort?.on("message", (batch: ReadonlyArray<Job>) => {
  for (const { bytes, format } of batch) parentPort?.postMessage(parseFile(bytes, format))
})
