/**
 * Writes dist/sbom.cdx.json: the packages that the bundle is made of, as CycloneDX, from the lock. The same lock gives
 * the same file. Not by `npm sbom --omit dev`: npm 11.19 leaves out packages that development dependencies name too.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { posix } from "node:path"

const root = new URL("../", import.meta.url)

interface Locked {
  readonly version: string
  readonly integrity?: string
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** package-lock.json; the key of this project is "". */
export type Lock = Readonly<Record<string, Locked>>

const NODE_MODULES = "node_modules/"
const nameOf = (place: string): string =>
  place.slice(place.lastIndexOf(NODE_MODULES) + NODE_MODULES.length)
const purlOf = (place: string, { version }: Locked): string =>
  `pkg:npm/${nameOf(place).replace("@", "%40")}@${version}`

/** As Node finds it: nearest first. */
const placeOf = (lock: Lock, from: string, name: string): string | undefined => {
  for (let at = from; ; at = posix.dirname(at)) {
    const place = posix.join(at, NODE_MODULES, name)
    if (place in lock) return place
    if (at === "" || at === ".") return undefined
  }
}

const namesIn = ({ dependencies, optionalDependencies }: Locked): ReadonlyArray<string> =>
  Object.keys({ ...dependencies, ...optionalDependencies })

/** What is shipped: everything that is reached by dependencies, in order of place. */
const shipped = (lock: Lock): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = new Map<string, ReadonlyArray<string>>()
  const open = [""]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const one = lock[at]
    if (one === undefined || found.has(at)) continue
    const next = namesIn(one).flatMap((name) => placeOf(lock, at, name) ?? [])
    found.set(at, next)
    open.push(...next)
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

const hashOf = (integrity: string): object => {
  const [, algorithm = "", digest = ""] = /^sha(\d+)-(.+)$/u.exec(integrity) ?? []
  return { alg: `SHA-${algorithm}`, content: Buffer.from(digest, "base64").toString("hex") }
}

const component = (place: string, one: Locked): object => ({
  "bom-ref": place,
  type: "library",
  name: nameOf(place),
  version: one.version,
  purl: purlOf(place, one),
  licenses: one.license === undefined ? [] : [{ expression: one.license }],
  hashes: one.integrity === undefined ? [] : [hashOf(one.integrity)],
})

export interface Bom {
  readonly components: ReadonlyArray<object>
  readonly [field: string]: unknown
}

/** The document. */
export const sbomOf = (lock: Lock): Bom => {
  const places = shipped(lock)
  const { version = "" } = lock[""] ?? {}
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: { "bom-ref": "nopea", type: "application", name: "nopea", version },
    },
    components: [...places.keys()].flatMap((place) => {
      const one = lock[place]
      return place === "" || one === undefined ? [] : [component(place, one)]
    }),
    dependencies: [...places].map(([place, dependsOn]) => ({ ref: place || "nopea", dependsOn })),
  }
}

/** Of this project. */
export const sbom = async (): Promise<Bom> => {
  const text = await readFile(new URL("package-lock.json", root), "utf8")
  return sbomOf(JSON.parse(text).packages as Lock)
}

if (import.meta.main) {
  await mkdir(new URL("dist", root), { recursive: true })
  await writeFile(new URL("dist/sbom.cdx.json", root), `${JSON.stringify(await sbom(), null, 2)}\n`)
}
