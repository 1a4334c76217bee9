/** The packs of a mirror: how many, how large, and what a fetch brought; what is half written or no boundary any more goes. */
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import type { GitError } from "../domain/errors.ts"
import { type Mirror, onDisk } from "./Mirrors.ts"

const packFolder = ({ folder }: Mirror): string => join(folder, "objects", "pack")
/** Nothing, where there is none. */
const packNames = (mirror: Mirror) => readdir(packFolder(mirror)).catch((): string[] => [])

/** Bytes by name: packs, whole and half written, and what belongs to them. */
const packSizes = (mirror: Mirror): Effect.Effect<ReadonlyMap<string, number>> =>
  Effect.promise(async () => {
    const sizeOf = (name: string) =>
      stat(join(packFolder(mirror), name)).then(
        ({ size }) => [name, size] as const,
        () => [name, 0] as const,
      )
    return new Map(await Promise.all((await packNames(mirror)).map(sizeOf)))
  })

const sum = (sizes: Iterable<number>): number => [...sizes].reduce((all, size) => all + size, 0)

/** Bytes of all packs. */
export const weigh = (mirror: Mirror): Effect.Effect<number> =>
  Effect.map(packSizes(mirror), (sizes) => sum(sizes.values()))

/** How many bytes of packs `fetch` brings, also where it does not end well. By the holder of `writer` only. */
export const weighing = <A, E>(
  mirror: Mirror,
  fetch: Effect.Effect<A, E>,
  received: (bytes: number) => void,
): Effect.Effect<A, E> => {
  const packs = Effect.map(packSizes(mirror), (sizes) =>
    [...sizes].filter(([name]) => name.startsWith("tmp_pack") || name.endsWith(".pack")),
  )
  return Effect.acquireUseRelease(
    packs,
    () => fetch,
    (before) =>
      Effect.map(packs, (after) => {
        const known = new Map(before)
        received(sum(after.map(([name, size]) => Math.max(0, size - (known.get(name) ?? 0)))))
      }),
  )
}

/** Removes what an ended fetch left half written; by the holder of `writer` only. */
export const sweep = (mirror: Mirror): Effect.Effect<void, GitError> =>
  onDisk(async () => {
    for (const name of await packNames(mirror)) {
      if (name.startsWith("tmp_")) await rm(join(packFolder(mirror), name), { force: true })
    }
  })

export const countPacks = (mirror: Mirror): Effect.Effect<number> =>
  Effect.promise(
    async () => (await packNames(mirror)).filter((name) => name.endsWith(".pack")).length,
  )

/** Commits of earlier fetches are no one's boundary any more; each fetch would send the whole list. */
export const trimShallow = ({ folder }: Mirror): Effect.Effect<void, GitError> =>
  onDisk(async () => {
    const refs = join(folder, "refs", "nopea")
    const names = await readdir(refs)
    const heads = await Promise.all(names.map((name) => readFile(join(refs, name), "utf8")))
    await writeFile(join(folder, "shallow.next"), [...new Set(heads)].sort().join(""))
    await rename(join(folder, "shallow.next"), join(folder, "shallow"))
  })
