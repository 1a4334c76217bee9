/**
 * Preloaded into a controller (`--import`): its wall clock steps when told, by a line of milliseconds on the
 * socket STEPS_SOCKET. As with a real step, timers and the monotonic clock go on as before.
 */
import { rmSync } from "node:fs"
import { createServer } from "node:net"
import { isMainThread } from "node:worker_threads"

const RealDate = Date
let offset = 0

const now = (): number => RealDate.now() + offset

const listen = (path: string): void => {
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new RealDate(now()).toString(),
    get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
  })
  const server = createServer((socket) => {
    socket.unref()
    socket.on("error", () => undefined)
    socket.on("data", (line) => {
      offset += Number(line.toString())
      socket.end(`${offset}\n`)
    })
  })
  rmSync(path, { force: true })
  server.listen(path).unref()
}

const path = process.env["STEPS_SOCKET"]
if (isMainThread && path !== undefined) listen(path)
