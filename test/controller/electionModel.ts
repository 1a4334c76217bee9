// Candidates, their clocks, and the network between them and one Lease, in true time: every step is somebody's choice.
import * as rules from "../../src/controller/election.ts"
import { type Lease, type LeaseSpec, RELEASED } from "../../src/controller/lease.ts"

const T = rules.TIMING

/** `sleeps`: a machine whose monotonic clock stands still while it is paused; its wall clock is right afterwards. */
export interface Setting {
  readonly rate: number
  readonly skew: number
  readonly sleeps: boolean
}

interface Written {
  readonly spec: LeaseSpec
  /** The version it is conditional on; `undefined`: a create. */
  readonly on: string | undefined
}

interface Sent {
  readonly by: string
  readonly at: rules.Instant
  readonly write: Written | "read"
  /** Set once the server has served it. */
  answer?: Lease | null | "refused"
}

export class Server {
  lease: Lease | null = null
  #version = 0

  serve(sent: Sent): void {
    if (sent.write === "read") sent.answer = this.lease
    else if (this.lease?.resourceVersion !== sent.write.on) sent.answer = "refused"
    else sent.answer = this.#store(sent.write.spec)
  }

  #store(spec: LeaseSpec): Lease {
    this.#version += 1
    const value = (field: string, before: string | number) => spec[field] ?? before
    this.lease = {
      holder: String(value("holderIdentity", "")),
      duration: Number(value("leaseDurationSeconds", (this.lease?.duration ?? 0) / 1_000)) * 1_000,
      acquireTime: String(value("acquireTime", this.lease?.acquireTime ?? "")),
      renewTime: String(value("renewTime", this.lease?.renewTime ?? "")),
      transitions: Number(value("leaseTransitions", this.lease?.transitions ?? 0)),
      resourceVersion: String(this.#version),
    }
    return this.lease
  }
}

export class Process {
  readonly setting: Setting
  readonly name: string
  view: rules.View
  inFlight: Sent | undefined
  pausedAt: number | undefined
  #lives = 1
  #stoodStill = 0
  #jumped = 0

  constructor(name: string, setting: Setting) {
    this.name = name
    this.setting = setting
    this.view = rules.candidate(`${name}1`, T)
  }

  clock(time: number): rules.Instant {
    const { rate, skew } = this.setting
    return {
      monotonic: rate * (time - this.#stoodStill) + 7 * skew,
      wall: 1_800_000_000_000 + Math.floor(time) + skew + this.#jumped,
    }
  }

  jump(by: number): void {
    if (!this.setting.sleeps) this.#jumped += by
  }

  wake(time: number): void {
    if (this.setting.sleeps && this.pausedAt !== undefined) this.#stoodStill += time - this.pausedAt
    this.pausedAt = undefined
  }

  /** Its work may be running, and may write. */
  leads(time: number): boolean {
    if (this.pausedAt !== undefined) return false
    return rules.heldFor(this.view, this.clock(time)) < rules.abortAfter(T)
  }

  restart(): void {
    this.#lives += 1
    this.view = rules.candidate(`${this.name}${this.#lives}`, T)
    this.inFlight = undefined
  }
}

export type Step =
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "jump"; readonly who: number; readonly ms: number }
  | {
      readonly do: "send" | "serve" | "answer" | "giveUp" | "pause" | "stop" | "crash"
      readonly who: number
    }
  | { readonly do: "serveStray" }

export class Model {
  readonly server = new Server()
  readonly all: ReadonlyArray<Process>
  readonly strays: Sent[] = []
  /** How often somebody came to lead. */
  terms = 0
  time = 0

  constructor(settings: ReadonlyArray<Setting>) {
    this.all = settings.map((setting, i) => new Process("abc"[i] ?? "z", setting))
  }

  get leaders(): ReadonlyArray<string> {
    return this.all.filter((p) => p.leads(this.time)).map((p) => p.view.identity)
  }

  run(step: Step): void {
    if (step.do === "advance") this.time += step.ms
    else if (step.do === "serveStray") {
      const stray = this.strays.shift()
      if (stray !== undefined && stray.answer === undefined) this.server.serve(stray)
    } else {
      const process = this.all[step.who % this.all.length] as Process
      if (step.do === "jump") process.jump(step.ms)
      else if (step.do === "serve") this.#serve(process)
      else if (step.do === "pause") this.#pause(process)
      else if (process.pausedAt === undefined) this.#act(process, step.do)
    }
  }

  #serve({ inFlight }: Process): void {
    if (inFlight !== undefined && inFlight.answer === undefined) this.server.serve(inFlight)
  }

  #pause(process: Process): void {
    if (process.pausedAt === undefined) process.pausedAt = this.time
    else process.wake(this.time)
  }

  /** Timers that are due come first: the watchdog, then the end of a term. */
  #act(process: Process, what: "send" | "answer" | "giveUp" | "stop" | "crash"): void {
    const now = process.clock(this.time)
    const isLeading = process.view.heldFrom !== undefined
    const heldFor = rules.heldFor(process.view, now)
    if (what === "crash" || (isLeading && heldFor >= rules.abortAfter(T))) this.#crash(process)
    else if (what === "stop") this.#stop(process, now)
    else if (what === "giveUp") this.#giveUp(process)
    else if (what === "answer") this.#answer(process, now)
    else this.#send(process, now)
  }

  #crash(process: Process): void {
    this.#giveUp(process)
    process.restart()
  }

  /** The request may still be served, whenever. */
  #giveUp(process: Process): void {
    if (process.inFlight !== undefined) this.strays.push(process.inFlight)
    process.inFlight = undefined
  }

  /** The work ends, then the lease is released. */
  #stop(process: Process, now: rules.Instant): void {
    const { known, identity, heldFrom } = process.view
    this.#giveUp(process)
    process.view = rules.resigned(process.view)
    if (heldFrom === undefined || known?.holder !== identity) return
    const write = { spec: RELEASED, on: known.resourceVersion }
    this.strays.push({ by: identity, at: now, write })
  }

  #send(process: Process, now: rules.Instant): void {
    if (process.inFlight !== undefined) return
    const { view } = process
    const decision = rules.decide(view, now)
    const by = view.identity
    if (decision.do === "read") process.inFlight = { by, at: now, write: "read" }
    else if (decision.do === "wait") process.view = rules.forget(view)
    else if (decision.do === "lost") process.view = rules.resigned(view)
    else {
      const write = { spec: decision.spec, on: view.known?.resourceVersion }
      process.inFlight = { by, at: now, write }
      process.view = rules.forget(view)
    }
  }

  #answer(process: Process, now: rules.Instant): void {
    const { inFlight, view } = process
    if (inFlight?.answer === undefined) return
    process.inFlight = undefined
    const { answer, at, write } = inFlight
    if (answer === "refused") return
    if (write === "read") process.view = rules.saw(view, answer, now)
    else if (answer !== null) {
      if (view.heldFrom === undefined) this.terms += 1
      process.view = rules.wrote(view, answer, at)
    }
  }
}
