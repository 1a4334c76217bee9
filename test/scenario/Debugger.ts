/** Puts a bug into a running Node process through its inspector, and takes it out again. */
import { readFile } from "node:fs/promises"
import { eventually, type Json } from "../cluster/Api.ts"

/** Nothing here takes longer: answers, connections, scripts to come. */
const LIMIT = 10_000

export interface Bug {
  /** A text of the program that names the place: execution stops on a line after it. */
  readonly after: string
  /** Where it stops: an expression of that place's variables, true for the victim alone. */
  readonly when: string
  /** What is done to the variables then. */
  readonly change: string
}

export interface Planted {
  /** How often it has struck. */
  readonly strikes: () => number
  /** Settles once it has struck so often. */
  readonly struck: (times: number, limitMs?: number) => Promise<void>
  /** The program is as it was. */
  readonly remove: () => Promise<void>
}

interface Pending {
  readonly resolve: (result: Json) => void
  readonly reject: (cause: Error) => void
}

const within = async <A>(what: string, work: Promise<A>, limitMs = LIMIT): Promise<A> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const limit = setTimeout(() => reject(new Error(`${what}: not within ${limitMs} ms`)), limitMs)
  return Promise.race([work, promise]).finally(() => clearTimeout(limit))
}

/** The newest address that Node wrote into its log when its inspector opened. */
export const inspectorOf = (log: string): Promise<string> =>
  eventually(
    "Node says where its inspector listens",
    async () => {
      const text = await readFile(log, "utf8").catch(() => "")
      return [...text.matchAll(/^Debugger listening on (ws:\S+)$/gmu)].at(-1)?.[1]
    },
    LIMIT,
  )

export class Debugger {
  readonly #socket: WebSocket
  readonly #pending = new Map<number, Pending>()
  readonly #scripts: Array<{ readonly id: string; readonly url: string }> = []
  #onPaused: (event: Json) => Promise<unknown> = () => this.#call("Debugger.resume")
  #failure: Error | undefined
  #sent = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(String(data))))
    socket.addEventListener("close", () => this.#fail(new Error("the inspector hung up")))
  }

  /** Connects to the address of `inspectorOf`. */
  static async attach(url: string): Promise<Debugger> {
    const socket = new WebSocket(url)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.addEventListener("open", () => resolve())
    socket.addEventListener("error", () => reject(new Error(`no inspector answers at ${url}`)))
    await within("connecting to the inspector", promise)
    const attached = new Debugger(socket)
    await attached.#call("Debugger.enable")
    return attached
  }

  #take(message: Json): void {
    if (message.method === "Debugger.scriptParsed") {
      this.#scripts.push({ id: message.params.scriptId, url: message.params.url })
    }
    if (message.method === "Debugger.paused") {
      this.#onPaused(message.params).catch((cause: Error) => this.#fail(cause))
    }
    const waiting = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (message.error === undefined) waiting?.resolve(message.result)
    else waiting?.reject(new Error(`the inspector refused: ${message.error.message}`))
  }

  #fail(cause: Error): void {
    this.#failure ??= cause
    for (const { reject } of this.#pending.values()) reject(cause)
    this.#pending.clear()
  }

  #call(method: string, params: object = {}): Promise<Json> {
    const id = ++this.#sent
    const { promise, resolve, reject } = Promise.withResolvers<Json>()
    if (this.#failure !== undefined) reject(this.#failure)
    this.#pending.set(id, { resolve, reject })
    if (this.#failure === undefined) this.#socket.send(JSON.stringify({ id, method, params }))
    return within(method, promise).finally(() => this.#pending.delete(id))
  }

  /** The one place of the program that has this text. */
  async #find(text: string): Promise<{ readonly scriptId: string; readonly lineNumber: number }> {
    const own = this.#scripts.filter(
      ({ url }) => url.startsWith("file:") && !url.includes("/node_modules/"),
    )
    const found = await Promise.all(
      own.map(async ({ id }) => {
        const params = { scriptId: id, query: text, caseSensitive: true }
        const { result } = await this.#call("Debugger.searchInContent", params)
        return result.map(({ lineNumber }: Json) => ({ scriptId: id, lineNumber }))
      }),
    )
    const places = found.flat()
    if (places.length === 1) return places[0]
    throw new Error(
      `the program has ${text} in ${places.length} places instead of one (looked at ${own.length} scripts): name another place for the bug`,
    )
  }

  async #change(frame: string, expression: string): Promise<void> {
    const params = { callFrameId: frame, expression, silent: true }
    const { exceptionDetails } = await this.#call("Debugger.evaluateOnCallFrame", params)
    if (exceptionDetails === undefined) return
    const why = exceptionDetails.exception?.description ?? exceptionDetails.text
    throw new Error(`${expression} failed in the program: ${why}`)
  }

  /** From now on it strikes each time; the process stands still for milliseconds only. */
  async plant({ after, when, change }: Bug): Promise<Planted> {
    const { scriptId, lineNumber } = await this.#find(after)
    let strikes = 0
    this.#onPaused = async ({ callFrames }) => {
      try {
        await this.#change(callFrames[0].callFrameId, change)
        strikes += 1
      } finally {
        await this.#call("Debugger.resume")
      }
    }
    const { breakpointId } = await this.#call("Debugger.setBreakpoint", {
      location: { scriptId, lineNumber: lineNumber + 1 },
      condition: when,
    })
    const seen = (times: number) => async () => {
      if (this.#failure !== undefined) throw this.#failure
      return strikes >= times ? true : undefined
    }
    return {
      strikes: () => strikes,
      struck: async (times, limitMs = LIMIT) => {
        const what = `the bug after ${after} strikes where ${when} (${times} times)`
        await eventually(what, seen(times), limitMs)
      },
      remove: async () => void (await this.#call("Debugger.removeBreakpoint", { breakpointId })),
    }
  }

  /** The process takes no debugger any more; it goes on without us. */
  async shut(): Promise<void> {
    const expression = `setImmediate(() => process.getBuiltinModule("node:inspector").close())`
    await this.#call("Runtime.evaluate", { expression })
    this.close()
  }

  /** Lets the process go on without us, also from a pause. */
  close(): void {
    this.#socket.close()
  }
}
