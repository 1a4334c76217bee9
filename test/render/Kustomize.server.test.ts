import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { chmod, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Fiber, ManagedRuntime } from "effect"
import { describe, expect, inject, it, onTestFinished, vi } from "vitest"
import type { TreeEntry } from "../../src/domain/source.ts"
import { Render, type RenderRequest } from "../../src/render/Render.ts"
import { layer, type RenderPoolOptions } from "../../src/render/RenderPool.ts"
import { until } from "../git/fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 120_000 })

type Files = Readonly<Record<string, string | Uint8Array>>
type Changes = Partial<RenderPoolOptions> &
  Partial<Omit<RenderPoolOptions["kustomize"], "timeout">> & {
    /** Of one run of kustomize. */
    readonly limit?: RenderPoolOptions["timeout"]
  }

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "nopea-kustomize-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** One renderer with its cache, and what it asked for and left behind. */
const bench = async (changes: Changes = {}) => {
  const folder = join(await newFolder(), "builds")
  const content = new Map<string, Uint8Array>()
  const reads: Array<string> = []
  const wholes: Array<string> = []
  const { program = inject("kustomize"), processes = 2, memoryMb = 256, limit, ...rest } = changes
  const options: RenderPoolOptions = {
    threads: 1,
    timeout: "60 seconds",
    maxFileBytes: 10_000_000,
    maxBytes: 60_000_000,
    cacheBytes: 10_000_000,
    ...rest,
    memoryMb: 256,
    kustomize: { program, folder, processes, memoryMb, ...(limit && { timeout: limit }) },
  }
  const runtime = ManagedRuntime.make(layer(options))
  onTestFinished(() => runtime.dispose())

  const requestOf = (files: Files, path: string): RenderRequest<never> => {
    const entries = Object.entries(files).map(([name, text]): TreeEntry => {
      const bytes = Buffer.from(text as string)
      const blob = createHash("sha1").update(bytes).digest("hex")
      content.set(blob, bytes)
      return { path: name, blob, mode: "file" }
    })
    return {
      subject: "team/app",
      path,
      entries: entries.filter((entry) => path === "." || entry.path.startsWith(`${path}/`)),
      everything: Effect.sync(() => {
        wholes.push(path)
        return entries
      }),
      read: (blobs) =>
        Effect.sync(() => {
          reads.push(...blobs)
          return new Map(blobs.map((blob) => [blob, content.get(blob) as Uint8Array]))
        }),
    }
  }
  const job = (files: Files, path = "app") =>
    Effect.flatMap(Render, (render) => render.render(requestOf(files, path)))
  const left = () => readdirSync(folder)
  const render = (files: Files, path?: string) => runtime.runPromise(job(files, path))
  return { folder, reads, wholes, left, job, render, runtime }
}

/** A program in kustomize's place; `$DIR` is its folder. */
const programThat = async (script: string) => {
  const dir = await newFolder()
  const program = join(dir, "kustomize")
  await writeFile(program, `#!/bin/sh\nDIR=${dir}\n${script}\n`)
  await chmod(program, 0o755)
  return { dir, program }
}

/** The real one, and a folder with an entry for each run. */
const counted = async () => {
  const { dir, program } = await programThat(
    `/bin/mkdir -p $DIR/runs/$$; exec ${inject("kustomize")} "$@"`,
  )
  await mkdir(join(dir, "runs"))
  return { program, runs: () => readdirSync(join(dir, "runs")).length }
}

const configMap = (name: string, value = "1"): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {key: "${value}"}\n`

const SHOP: Files = {
  "base/kustomization.yaml": "resources: [web.yaml]\nlabels: [{pairs: {app: shop}}]\n",
  "base/web.yaml": configMap("web"),
  "app/kustomization.yaml":
    "resources: [../base]\nnamePrefix: live-\npatches: [{path: patch.yaml}]\n",
  "app/patch.yaml": configMap("web", "2"),
  "other/readme.md": "not needed",
}
const alone = (kustomization: string, more: Files = {}): Files => ({
  "app/kustomization.yaml": kustomization,
  "app/web.yaml": configMap("web"),
  ...more,
})

const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

describe("a kustomization", () => {
  it("is built with its base and patches, and its objects name it as their file", async () => {
    const { render, left } = await bench()
    const { objects, failures, warnings } = await render(SHOP)
    expect(failures).toEqual([])
    expect(warnings).toEqual([])
    expect(objects.map(({ json }) => JSON.parse(json))).toEqual([
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "live-web", labels: { app: "shop" } },
        data: { key: "2" },
      },
    ])
    expect(objects[0]?.source).toMatchObject({ file: "app/kustomization.yaml", document: 1 })
    expect(left()).toEqual([])
  })

  it("reads nothing that it does not need, and asks for the rest of the tree only to leave its folder", async () => {
    const { render, reads, wholes } = await bench()
    await render(alone("resources: [web.yaml]\n", { "app/unused.yaml": "x", "app/big.bin": "y" }))
    expect(reads).toHaveLength(2)
    expect(wholes).toEqual([])
    await render(SHOP)
    expect(reads).toHaveLength(6)
    expect(wholes).toEqual(["app"])
  })

  it("with generators of every kind gives what kustomize gives, also from outside its folder", async () => {
    const { render } = await bench()
    const kustomization = `configMapGenerator:
- {name: files, files: [../shared/a.txt, k=b.bin], envs: [c.env], literals: [d=e]}
secretGenerator: [{name: s, literals: [x=y], options: {disableNameSuffixHash: true}}]
transformers: [label.yaml]
patchesStrategicMerge:
- |-
  {apiVersion: v1, kind: Secret, metadata: {name: s, annotations: {a: b}}}
`
    const { objects, failures, warnings } = await render({
      "app/kustomization.yaml": kustomization,
      "app/b.bin": new Uint8Array([0xff, 0xfe, 0]),
      "app/c.env": "HOME\nPATH\nNOPEA=1\n",
      "app/label.yaml":
        "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: x}\nlabels: {l: m}\nfieldSpecs: [{path: metadata/labels, create: true}]\n",
      "shared/a.txt": "hello",
    })
    expect(failures).toEqual([])
    expect(warnings).toEqual([])
    const [map, secret] = objects.map(({ json }) => JSON.parse(json))
    expect(map.metadata).toMatchObject({
      name: expect.stringMatching(/^files-/u),
      labels: { l: "m" },
    })
    // A name alone in an env file: nothing of the controller's own environment comes in.
    expect(map.data).toEqual({ "a.txt": "hello", d: "e", HOME: "", PATH: "", NOPEA: "1" })
    expect(map.binaryData).toEqual({ k: "//4A" })
    expect(secret).toMatchObject({ metadata: { annotations: { a: "b" } }, data: { x: "eQ==" } })
  })

  it("at the root of a repository is built too", async () => {
    const { render } = await bench()
    const files = { "kustomization.yml": "resources: [a/x.yaml]\n", "a/x.yaml": configMap("x") }
    expect((await render(files, ".")).objects).toHaveLength(1)
  })

  it("is checked like plain YAML after it was built", async () => {
    const { render } = await bench()
    const encrypted = `${configMap("encrypted")}sops: {mac: x}\n`
    const leftover = `${configMap("left")}status: {a: b}\n`
    const { objects, failures, warnings } = await render(
      alone("resources: [web.yaml, sops.yaml, left.yaml]\n", {
        "app/sops.yaml": encrypted,
        "app/left.yaml": leftover,
      }),
    )
    expect(objects.map(({ ref }) => ref.name)).toEqual(["left", "web"])
    expect(failures).toMatchObject([{ code: "NOPEA-R021", file: "app/kustomization.yaml" }])
    expect(warnings.join()).toMatch(/status/u)
  })

  it("tells kustomize's advice about old fields once", async () => {
    const { render } = await bench()
    const { warnings } = await render({
      "app/kustomization.yaml": "bases: [../base]\n",
      "base/kustomization.yaml": "bases: [../deep]\n",
      "deep/kustomization.yaml": "resources: [x.yaml]\n",
      "deep/x.yaml": configMap("x"),
    })
    expect(warnings).toEqual([expect.stringMatching(/'bases' is deprecated/u)])
  })
})

describe("a build", () => {
  it("is not repeated for a commit that changes nothing of it, and once for one that does", async () => {
    const { program, runs } = await counted()
    const { render, reads } = await bench({ program })
    await render(SHOP)
    expect(runs()).toBe(1)
    const asked = reads.length
    await render({ ...SHOP, "other/readme.md": "changed", "app/new.yaml": "x" })
    expect([runs(), reads.length]).toEqual([1, asked])
    const changed = { ...SHOP, "app/patch.yaml": configMap("web", "3") }
    expect((await render(changed)).objects[0]?.json).toContain('"3"')
    await render(changed)
    expect(runs()).toBe(2)
    await render({ ...changed, "base/web.yaml": configMap("web", "9") })
    expect(runs()).toBe(3)
  })

  it("that kustomize refuses is not repeated either, and says why", async () => {
    const { program, runs } = await counted()
    const { render, left, folder } = await bench({ program })
    const bad = { ...SHOP, "app/patch.yaml": configMap("nobody") }
    for (let time = 0; time < 2; time++) {
      const { objects, failures } = await render(bad)
      expect(objects).toEqual([])
      expect(failures).toMatchObject([
        { code: "NOPEA-R034", file: "app/kustomization.yaml", disposition: "stall" },
      ])
      expect(failures[0]?.reason).toMatch(
        /^kustomize refuses it: .*no matches for Id ConfigMap.*nobody/u,
      )
      expect(failures[0]?.reason).not.toContain(folder)
    }
    expect(runs()).toBe(1)
    expect(left()).toEqual([])
  })

  it("says nothing of a Secret's values, whatever fails", async () => {
    const { render } = await bench()
    const reasons: Array<string> = []
    const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
    const attempts = [
      alone("secretGenerator: [{name: s, literals: [hunter2sesame]}]\n"),
      alone("secretGenerator: [{name: s, envs: [e.env]}]\n", {
        "app/e.env": Buffer.from("K=hunter2sesame\xff\n", "latin1"),
      }),
      alone("resources: [s.yaml]\n", { "app/s.yaml": `${secret}stringData: {a: [hunter2sesame\n` }),
      alone("patches: [{path: p.yaml}]\nresources: [web.yaml]\n", {
        "app/p.yaml": `${secret}stringData: {password: hunter2sesame}\n`,
      }),
      alone("patches: [{path: p.json}]\nresources: [web.yaml]\n", {
        "app/p.json": `[{"op": "add", "path": "/data", "value": "Secret hunter2sesame"]\n`,
      }),
      alone("patches: [{patch: 'kind: Secret hunter2sesame: x'}]\nresources: [web.yaml]\n"),
    ]
    for (const files of attempts) {
      const { failures } = await render(files)
      reasons.push(...failures.map(({ code, reason }) => `${code} ${reason}`))
    }
    expect(reasons).toHaveLength(attempts.length)
    for (const reason of reasons) {
      expect(reason).toMatch(/^NOPEA-R034/u)
      expect(reason).not.toMatch(/hunter2|sesame|104 117/u)
    }
  })

  it("of 500 overlays of one base stays within memory, output and number of files", async () => {
    const { render, left } = await bench({ timeout: "100 seconds" })
    const names = Array.from({ length: 500 }, (_, at) => `o${at}`)
    const files: Record<string, string> = {
      "app/kustomization.yaml": `resources: [${names.join(", ")}]\n`,
      "base/kustomization.yaml": "resources: [web.yaml]\n",
      "base/web.yaml": configMap("web"),
    }
    for (const name of names) {
      files[`app/${name}/kustomization.yaml`] =
        `resources: [../../base]\nnamespace: ${name}\npatches: [{path: p.yaml}]\n`
      files[`app/${name}/p.yaml`] = configMap("web", name)
    }
    const { objects, failures } = await render(files)
    expect(failures).toEqual([])
    expect(objects).toHaveLength(500)
    expect(new Set(objects.map(({ ref }) => ref.namespace)).size).toBe(500)
    expect(left()).toEqual([])
  })
})

describe("the process", () => {
  it("has an empty PATH, no environment of ours, only the needed files, and no flag that opens a door", async () => {
    vi.stubEnv("NOPEA_WEBHOOK_SECRET", "hunter2")
    onTestFinished(() => void vi.unstubAllEnvs())
    const look =
      'd="$(/usr/bin/env | /usr/bin/sort | /usr/bin/base64 -w0)"; f="$(/usr/bin/find . -type f | /usr/bin/sort | /usr/bin/base64 -w0)"'
    const { program } = await programThat(
      `${look}; printf 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: x}\\ndata: {env: "%s", files: "%s", args: "%s"}\\n' "$d" "$f" "$*"`,
    )
    const { render } = await bench({ program })
    const { objects, failures } = await render(SHOP)
    expect(failures).toEqual([])
    const { data } = JSON.parse(objects[0]?.json ?? "")
    const lines = (text: string) => Buffer.from(text, "base64").toString().trim().split("\n")
    const own = lines(data.env).filter((line) => !/^(?:_|PWD|OLDPWD|SHLVL)=/u.test(line))
    expect(own).toEqual(["GOMAXPROCS=2", "GOMEMLIMIT=192MiB", "PATH="])
    expect(lines(data.files)).toEqual([
      "./app/kustomization.yaml",
      "./app/patch.yaml",
      "./base/kustomization.yaml",
      "./base/web.yaml",
    ])
    expect(data.args).toBe("build -- ./app")
    const shared = await render(alone("resources: [../web.yaml]\n", { "web.yaml": configMap("w") }))
    expect(JSON.parse(shared.objects[0]?.json ?? "").data.args).toBe(
      "build --load-restrictor LoadRestrictionsNone -- ./app",
    )
  })

  it("ends with its children at the deadline, and leaves nothing behind", async () => {
    const { dir, program } = await programThat(
      `trap '' TERM INT; (trap '' TERM; while :; do /bin/sleep 1; done) & /bin/mkdir $DIR/$! $DIR/$$; while :; do /bin/sleep 1; done`,
    )
    const { render, left } = await bench({ program, limit: "2 seconds" })
    const { failures } = await render(SHOP)
    expect(failures).toMatchObject([
      {
        code: "NOPEA-R023",
        file: "app/kustomization.yaml",
        reason: "kustomize takes longer than 2s",
        fix: expect.stringContaining("NOPEA_KUSTOMIZE_TIMEOUT"),
      },
    ])
    const pids = readdirSync(dir)
      .filter((name) => /^\d+$/u.test(name))
      .map(Number)
    expect(pids).toHaveLength(2)
    expect(pids.filter(isAlive)).toEqual([])
    expect(left()).toEqual([])
  })

  it("ends when the sync is interrupted, and the next one can run", async () => {
    const { dir, program } = await programThat(
      `[ -e $DIR/ran ] && exec ${"$"}{KUSTOMIZE:-${inject("kustomize")}} "$@"; /bin/mkdir $DIR/ran $DIR/$$; while :; do /bin/sleep 1; done`,
    )
    const { render, job, runtime, left } = await bench({ program, processes: 1 })
    const fiber = runtime.runFork(job(SHOP))
    await until(async () => readdirSync(dir).some((name) => /^\d+$/u.test(name)))
    await Effect.runPromise(Fiber.interrupt(fiber))
    const pid = Number(readdirSync(dir).find((name) => /^\d+$/u.test(name)))
    expect(isAlive(pid)).toBe(false)
    expect(left()).toEqual([])
    expect((await render(SHOP)).objects).toHaveLength(1)
  })

  it("that writes without end, needs too much memory or crashes fails, and is tried again", async () => {
    const outcomes: Array<readonly [script: string, code: string, says: RegExp]> = [
      ["while :; do echo 'a: b'; done", "NOPEA-R033", /more than 10000 bytes/u],
      ["kill -9 $$", "NOPEA-R024", /crashes/u],
      [
        "echo 'fatal error: runtime: out of memory' >&2; exit 2",
        "NOPEA-R024",
        /needs more than 256 MiB/u,
      ],
      ["echo x > file; echo 'apiVersion: v1'", "NOPEA-R024", /crashes/u],
      ["exit 1", "NOPEA-R034", /it gave no reason/u],
    ]
    for (const [script, code, says] of outcomes) {
      const { program } = await programThat(script)
      const { render, left } = await bench({ program, maxFileBytes: 10_000 })
      const { failures } = await render(SHOP)
      expect(failures.map((each) => [each.code, says.test(each.reason)])).toEqual([[code, true]])
      expect(left()).toEqual([])
    }
  })

  it("of the real kustomize is held to its memory", async () => {
    const { render } = await bench({ memoryMb: 128 })
    const files = alone("configMapGenerator: [{name: x, files: [big]}]\n", {
      "app/big": "a: b\n".repeat(1_800_000),
    })
    const { failures } = await render(files)
    expect(failures).toMatchObject([
      { code: "NOPEA-R024", reason: expect.stringMatching(/more than 128 MiB/u) },
    ])
  })

  it("that is not there is an error of kustomizations only, found again at the next start", async () => {
    const { render } = await bench({ program: "no-such-program" })
    expect((await render(SHOP)).failures).toMatchObject([
      {
        code: "NOPEA-R027",
        file: "app/kustomization.yaml",
        fix: expect.stringMatching(/NOPEA_KUSTOMIZE/u),
      },
    ])
    expect((await render({ "app/x.yaml": configMap("x") })).objects).toHaveLength(1)
  })

  it("that cannot be run, or has no folder, is the same error with its reason", async () => {
    const dir = await newFolder()
    await writeFile(join(dir, "text"), "\u0000not a program")
    await chmod(join(dir, "text"), 0o755)
    const unfit = await bench({ program: join(dir, "text") })
    expect((await unfit.render(SHOP)).failures).toMatchObject([
      { code: "NOPEA-R027", reason: expect.stringMatching(/no program for this machine/u) },
    ])
    const { render, folder } = await bench()
    await writeFile(folder, "in the way")
    expect((await render(SHOP)).failures).toMatchObject([
      { code: "NOPEA-R027", reason: expect.stringMatching(/EEXIST/u) },
    ])
    await rm(folder)
    expect((await render(SHOP)).objects).toHaveLength(1)
  })
})

describe("the folder of a build", () => {
  it("never holds more than the bound, however often one blob lies in the tree", async () => {
    const { runtime, job, left, folder } = await bench({ maxBytes: 100_000 })
    const names = Array.from({ length: 100 }, (_, at) => `f${at}`)
    const files = alone(`configMapGenerator: [{name: x, files: [${names.join(", ")}]}]\n`, {
      ...Object.fromEntries(names.map((name) => [`app/${name}`, "x".repeat(5_000)])),
    })
    const error = await runtime.runPromise(Effect.flip(job(files)))
    expect(error).toMatchObject({ code: "NOPEA-R025" })
    await mkdir(folder, { recursive: true })
    expect(left()).toEqual([])
  })

  it("that a killed controller left behind goes with a later build", async () => {
    const { render, left, folder } = await bench()
    for (const name of ["build-old", "build-new", "not-ours"])
      await mkdir(join(folder, name), { recursive: true })
    for (const name of ["build-old", "not-ours"])
      await utimes(join(folder, name), new Date(0), new Date(0))
    await render(SHOP)
    expect(left().toSorted()).toEqual(["build-new", "not-ours"])
  })

  it("has no Git LFS pointers: they are named", async () => {
    const { render } = await bench()
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    const { failures } = await render(
      alone("configMapGenerator: [{name: x, files: [big]}]\n", { "app/big": pointer }),
    )
    expect(failures).toMatchObject([{ code: "NOPEA-R005", file: "app/big" }])
  })
})

describe("a kustomization that was refused", () => {
  it("never starts a process, and is reported whole", async () => {
    const { program, runs } = await counted()
    const { render } = await bench({ program })
    const { objects, failures } = await render(
      alone("resources: [web.yaml, 'https://example.com/x', /etc/passwd]\nhelmCharts: []\n"),
    )
    expect(objects).toEqual([])
    expect(failures.map(({ code }) => code)).toEqual(["NOPEA-R032"])
    const more = await render(
      alone("resources: [web.yaml, 'https://example.com/x', /etc/passwd]\n"),
    )
    expect(more.failures.map(({ code }) => code)).toEqual(["NOPEA-R029", "NOPEA-R030"])
    expect(runs()).toBe(0)
  })
})

describe("the pinned kustomize", () => {
  it("is the one of the image and of go.mod", async () => {
    const root = join(import.meta.dirname, "..", "..")
    const goMod = await readFile(join(root, "test/cluster/go/go.mod"), "utf8")
    const pinned = /kustomize\/kustomize\/v5 (v[\d.]+)/u.exec(goMod)?.[1]
    expect(await readFile(join(root, "Dockerfile"), "utf8")).toContain(`KUSTOMIZE=${pinned}`)
  })
})
