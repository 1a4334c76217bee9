import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import type { Identity } from "../../src/kube/credential.ts"
import { type Access, type AccessOptions, makeAccess, openAccess } from "../../src/kube/KubeAuth.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "nopea-auth-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true })),
)
const write = (path: string, text: string) => Effect.promise(() => writeFile(path, text))

const environment = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" }

const bearer = (identity: Identity): string | undefined =>
  identity.authorization && Redacted.value(identity.authorization)

const mounted = Effect.gen(function* () {
  const path = yield* folder
  yield* write(join(path, "token"), "one\n")
  yield* write(join(path, "ca.crt"), "CA one")
  return path
})

const openPod = (path: string, more: AccessOptions = {}) =>
  openAccess({ serviceAccountFolder: path, environment, ...more })

describe("the pod's service account", () => {
  it.effect("gives the server, the authority and the token", () =>
    Effect.gen(function* () {
      const access = yield* openPod(yield* mounted)
      const identity = yield* access.identity()
      expect(access.server).toBe("https://10.0.0.1:443")
      expect(bearer(identity)).toBe("Bearer one")
      expect(identity.tls).toEqual({ ca: "CA one" })
    }).pipe(Effect.scoped),
  )

  it.effect("is spoken to in brackets at an IPv6 address", () =>
    Effect.gen(function* () {
      const access = yield* openPod(yield* mounted, {
        environment: { ...environment, KUBERNETES_SERVICE_HOST: "fd00::1" },
      })
      expect(access.server).toBe("https://[fd00::1]:443")
    }).pipe(Effect.scoped),
  )

  it.effect("is read again after a minute, and connections stay where only the token changed", () =>
    Effect.gen(function* () {
      const path = yield* mounted
      const access = yield* openPod(path)
      const before = yield* access.identity()
      yield* write(join(path, "token"), "two")
      yield* TestClock.adjust("59 seconds")
      expect(yield* access.identity()).toBe(before)
      yield* TestClock.adjust("1 second")
      const after = yield* access.identity()
      expect(bearer(after)).toBe("Bearer two")
      expect(after.tls).toBe(before.tls)
      yield* write(join(path, "ca.crt"), "CA two")
      yield* TestClock.adjust("1 minute")
      expect((yield* access.identity()).tls).toEqual({ ca: "CA two" })
    }).pipe(Effect.scoped),
  )

  it.effect("is read again at once when the server refuses it, once for all who were refused", () =>
    Effect.gen(function* () {
      const path = yield* mounted
      const access = yield* openPod(path)
      const before = yield* access.identity()
      yield* write(join(path, "token"), "two")
      const again = yield* Effect.all(
        Array.from({ length: 10 }, () => access.identity(before)),
        { concurrency: "unbounded" },
      )
      expect(new Set(again).size).toBe(1)
      expect(bearer(again[0] as Identity)).toBe("Bearer two")
    }).pipe(Effect.scoped),
  )

  it.effect("that cannot be read is a typed failure, at the start and later", () =>
    Effect.gen(function* () {
      const path = yield* mounted
      const access = yield* openPod(path)
      yield* write(join(path, "token"), "")
      yield* TestClock.adjust("1 minute")
      expect(yield* Effect.flip(access.identity())).toMatchObject({
        code: "NOPEA-A027",
        disposition: "retry",
        reason: "is empty",
      })
      expect(yield* Effect.flip(openPod(join(path, "nowhere")))).toMatchObject({
        _tag: "ConfigError",
        code: "NOPEA-C030",
      })
    }).pipe(Effect.scoped),
  )
})

describe("an identity", () => {
  it.effect("is read by one at a time", () =>
    Effect.gen(function* () {
      let reads = 0
      const access: Access = yield* makeAccess({
        server: "https://kube",
        read: Effect.gen(function* () {
          reads += 1
          yield* Effect.sleep(100)
          return { identity: { tls: {} }, until: 1_000 }
        }),
      })
      const all = Effect.all(
        Array.from({ length: 50 }, () => access.identity()),
        { concurrency: "unbounded" },
      )
      yield* Effect.all([all, TestClock.adjust(100)], { concurrency: 2 })
      expect(reads).toBe(1)
    }),
  )
})

const kubeconfig = (user: object, cluster: object = {}): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:6443/prefix/", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  })

const withConfig = (text: string) =>
  Effect.gen(function* () {
    const path = yield* folder
    const file = join(path, "config")
    yield* write(file, text)
    return { path, file }
  })

const base64 = (text: string): string => Buffer.from(text).toString("base64")

describe("a kubeconfig", () => {
  it.effect("gives server, authority and token of its current context", () =>
    Effect.gen(function* () {
      const cluster = { "certificate-authority-data": base64("CA"), "tls-server-name": "kube" }
      const { file } = yield* withConfig(kubeconfig({ token: "secret" }, cluster))
      const access = yield* openAccess({ kubeconfig: file })
      const identity = yield* access.identity()
      expect(access.server).toBe("https://127.0.0.1:6443/prefix")
      expect(bearer(identity)).toBe("Bearer secret")
      expect(identity.tls).toEqual({ ca: "CA", servername: "kube" })
      expect(JSON.stringify(identity)).not.toContain("secret")
    }).pipe(Effect.scoped),
  )

  it.effect("gives a client certificate from data, and from files beside it", () =>
    Effect.gen(function* () {
      const { path, file } = yield* withConfig(
        kubeconfig({ "client-certificate": "me.crt", "client-key-data": base64("KEY") }),
      )
      yield* write(join(path, "me.crt"), "CERT")
      const { tls, authorization } = yield* (yield* openAccess({ kubeconfig: file })).identity()
      expect(tls.cert).toBe("CERT")
      expect(tls.key && Redacted.value(tls.key)).toBe("KEY")
      expect(authorization).toBeUndefined()
    }).pipe(Effect.scoped),
  )

  it.effect("follows an edit of the file", () =>
    Effect.gen(function* () {
      const { file } = yield* withConfig(kubeconfig({ token: "one" }))
      const access = yield* openAccess({ kubeconfig: file })
      yield* write(file, kubeconfig({ token: "two" }))
      yield* TestClock.adjust("1 minute")
      expect(bearer(yield* access.identity())).toBe("Bearer two")
    }).pipe(Effect.scoped),
  )

  it.effect.each([
    ["a file that is not there", undefined, /cannot be read \(ENOENT\)/],
    ["no YAML", "{{{", /is not a kubeconfig/],
    ["an empty file", "", /is not a kubeconfig|names no cluster/],
    [
      "no such context",
      kubeconfig({}).replace('"current-context":"x"', '"current-context":"y"'),
      /has no context y \(it has: x\)/,
    ],
    ["a user that acts as another", kubeconfig({ token: "t", as: "admin" }), /impersonates/],
  ] as const)("is refused by a clear error: %s", ([, text, reason]) =>
    Effect.gen(function* () {
      const { file } = yield* withConfig(text ?? "")
      if (text === undefined) yield* Effect.promise(() => rm(file))
      const error = yield* Effect.flip(openAccess({ kubeconfig: file }))
      expect(error).toMatchObject({ _tag: "ConfigError", code: "NOPEA-C031", disposition: "stall" })
      expect(error.reason).toMatch(reason)
    }).pipe(Effect.scoped),
  )
})

/** A plugin that counts its runs in a file and prints what the test wants. */
const plugin = (script: string) =>
  Effect.gen(function* () {
    const user = {
      exec: {
        apiVersion: "client.authentication.k8s.io/v1",
        command: "./plugin",
        env: [{ name: "WHO", value: "me" }],
      },
    }
    const { path, file } = yield* withConfig(kubeconfig(user))
    yield* write(
      join(path, "plugin"),
      `#!/bin/sh\ncd "$(dirname "$0")"\necho x >> runs\n${script}\n`,
    )
    yield* Effect.promise(() => chmod(join(path, "plugin"), 0o700))
    return { path, file }
  })

const credential = (status: object): string =>
  JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status })

describe("an exec plugin", () => {
  it.effect("gives a token that is kept until it expires", () =>
    Effect.gen(function* () {
      const expires = new Date(3_600_000).toISOString()
      const { file } = yield* plugin(
        `n=$(wc -l < runs | tr -d " ")\ncat <<END\n${credential({ token: "TOKEN", expirationTimestamp: expires }).replace("TOKEN", "$WHO-$n")}\nEND`,
      )
      const access = yield* openAccess({ kubeconfig: file })
      expect(bearer(yield* access.identity())).toBe("Bearer me-1")
      yield* TestClock.adjust("59 minutes")
      expect(bearer(yield* access.identity())).toBe("Bearer me-1")
      yield* TestClock.adjust("1 minute")
      expect(bearer(yield* access.identity())).toBe("Bearer me-2")
    }).pipe(Effect.scoped),
  )

  it.effect("without an expiry is run again only when the server refuses its token", () =>
    Effect.gen(function* () {
      const { file } = yield* plugin(
        `n=$(wc -l < runs | tr -d " ")\necho '${credential({ token: "N" }).replace("N", "'$n'")}'`,
      )
      const access = yield* openAccess({ kubeconfig: file })
      yield* TestClock.adjust("24 hours")
      const before = yield* access.identity()
      expect(bearer(before)).toBe("Bearer 1")
      expect(bearer(yield* access.identity(before))).toBe("Bearer 2")
    }).pipe(Effect.scoped),
  )

  it.effect("gives a client certificate, and learns what is expected of it", () =>
    Effect.gen(function* () {
      const { path, file } = yield* plugin(
        `printf %s "$KUBERNETES_EXEC_INFO" > info\necho '${credential({ clientCertificateData: "CERT", clientKeyData: "KEY" })}'`,
      )
      const { tls } = yield* (yield* openAccess({ kubeconfig: file })).identity()
      expect(tls.cert).toBe("CERT")
      expect(tls.key && Redacted.value(tls.key)).toBe("KEY")
      const { readFile } = yield* Effect.promise(() => import("node:fs/promises"))
      const info = JSON.parse(yield* Effect.promise(() => readFile(join(path, "info"), "utf8")))
      expect(info).toMatchObject({ kind: "ExecCredential", spec: { interactive: false } })
    }).pipe(Effect.scoped),
  )

  it.effect.each([
    ["fails", "echo please log in >&2; exit 3", /failed: please log in/],
    ["prints something else", "echo 'token: hunter2'", /did not print an ExecCredential/],
    ["prints no credential", `echo '${credential({})}'`, /did not print an ExecCredential/],
  ] as const)("that %s is a clear error without what it printed", ([, script, reason]) =>
    Effect.gen(function* () {
      const { file } = yield* plugin(script)
      const error = yield* Effect.flip(openAccess({ kubeconfig: file }))
      expect(error.reason).toMatch(reason)
      expect(JSON.stringify(error)).not.toContain("hunter2")
    }).pipe(Effect.scoped),
  )
})
