// A thread: Node's HTTP server that checks the same signature of each delivery, and nothing else.
import { createHmac, timingSafeEqual } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { parentPort, workerData } from "node:worker_threads"

const SECRET: string = workerData

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const digest = createHmac("sha256", SECRET).update(Buffer.concat(chunks)).digest()
    const [, hex = ""] =
      /^sha256=([0-9a-f]{64})$/u.exec(String(request.headers["x-hub-signature-256"])) ?? []
    const isProven = hex !== "" && timingSafeEqual(digest, Buffer.from(hex, "hex"))
    const text = isProven ? "queued\n" : "not proven\n"
    response.writeHead(isProven ? 202 : 401, { "content-length": text.length })
    response.end(text)
  })
})
server.listen(0, "127.0.0.1", () => parentPort?.postMessage((server.address() as AddressInfo).port))
