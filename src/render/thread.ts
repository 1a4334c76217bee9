/** A render thread: parses the files of one batch, answers each as soon as it is done. */
import { parentPort } from "node:worker_threads"
import type { Format } from "./parsed.ts"
import { parseFile } from "./yaml.ts"

/** Several files in one buffer, so that one transfer moves them all. */
export interface Batch {
  readonly bytes: Uint8Array
  readonly files: ReadonlyArray<{ readonly size: number; readonly format: Format }>
}

parentPort?.on("message", ({ bytes, files }: Batch) => {
  let start = 0
  for (const { size, format } of files) {
    parentPort?.postMessage(parseFile(bytes.subarray(start, start + size), format))
    start += size
  }
})
