/** What the files hold -> what the tree declares: file names filled in, objects declared twice taken out. */
import type { Failure } from "../domain/errors.ts"
import { type DesiredObject, formatRef, type SourcePosition } from "../domain/object.ts"
import type { Parts } from "../domain/parts.ts"
import type { Selection } from "./files.ts"
import { type Parsed, stalled } from "./parsed.ts"
import type { Rendered } from "./Render.ts"

const show = ({ file, document, line }: SourcePosition): string =>
  `${file}:${line} (document ${document})`

const declaredTwice = (copies: ReadonlyArray<DesiredObject>): Failure => {
  const [first, second] = copies as [DesiredObject, DesiredObject]
  const places = copies.slice(0, 5).map(({ source }) => show(source))
  return stalled(
    "NOPEA-R022",
    `the object is declared ${copies.length} times: ${places.join(", ")}`,
    "keep one of them; until then none is applied",
    { object: formatRef(first.ref), ...second.source },
  )
}

/** Files between two rests. */
const PART = 500

/** Everything the selected files declare; `parsed` answers for each of them, in their order. */
export const assemble = function* (
  selection: Selection,
  parsed: ReadonlyArray<Parsed>,
): Parts<Rendered> {
  const failures: Array<Failure> = [...selection.failures]
  const warnings: Array<string> = [...selection.warnings]
  const byKey = new Map<string, Array<DesiredObject>>()
  for (const [at, { entry }] of selection.files.entries()) {
    if (at % PART === PART - 1) yield
    const file = entry.path
    const part = parsed[at] as Parsed
    for (const failure of part.failures) failures.push({ file, ...failure })
    for (const { line, text } of part.warnings) warnings.push(`${file}:${line}: ${text}`)
    for (const { document, line, ...object } of part.objects) {
      const key = formatRef(object.ref)
      const found = { ...object, source: { file, document, line } }
      const copies = byKey.get(key)
      if (copies === undefined) byKey.set(key, [found])
      else copies.push(found)
    }
  }
  yield
  const groups = [...byKey.values()]
  const doubles = groups.filter((copies) => copies.length > 1)
  return {
    objects: groups.filter((copies) => copies.length === 1).flat(),
    failures: [...failures, ...doubles.map(declaredTwice)],
    warnings,
  }
}
