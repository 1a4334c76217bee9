/** What was rendered last, by repository: drift is healed without asking Git or a thread. */
import type { Rendered } from "../render/Render.ts"

/** Objects of all repositories together; the least recently rendered go first. */
const MAX_OBJECTS = 20_000

export interface Kept {
  /** `place`: commit and path. */
  readonly get: (repository: string, place: string) => Rendered | undefined
  readonly set: (repository: string, place: string, rendered: Rendered) => void
}

export const makeKept = (limit = MAX_OBJECTS): Kept => {
  const rows = new Map<string, { readonly place: string; readonly rendered: Rendered }>()
  let objects = 0
  const remove = (repository: string): void => {
    objects -= rows.get(repository)?.rendered.objects.length ?? 0
    rows.delete(repository)
  }
  return {
    get: (repository, place) => {
      const row = rows.get(repository)
      return row?.place === place ? row.rendered : undefined
    },
    set: (repository, place, rendered) => {
      remove(repository)
      if (rendered.objects.length > limit) return
      rows.set(repository, { place, rendered })
      objects += rendered.objects.length
      for (const oldest of rows.keys()) {
        if (objects <= limit) return
        remove(oldest)
      }
    },
  }
}
