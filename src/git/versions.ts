/** Tags as versions: which of them is the highest that a range takes. */
import { type Comparator, compareBuild, parse, Range, type SemVer } from "semver"

/** The alternatives of a range. */
export type Versions = ReadonlyArray<Range>

/** `-` inside a version; that of `1.2 - 1.4` stands alone. */
const NAMES_PRERELEASE = /\d-[0-9A-Za-z]/u

/** Undefined: this is no range. Commas part conditions as spaces do. */
export const rangeOf = (text: string): Versions | undefined => {
  try {
    return text
      .replaceAll(",", " ")
      .split("||")
      .map((part) => new Range(part, { includePrerelease: NAMES_PRERELEASE.test(part) }))
  } catch {
    return undefined
  }
}

/** `<2.0.0` means to leave out 2.0.0-rc.1 too, which comes before it. */
const isOfBound = ({ operator, semver: bound }: Comparator, version: SemVer): boolean =>
  operator === "<" && bound.prerelease.length === 0 && bound.compareMain(version) === 0

/** An alternative that names a pre-release takes those of every version that it takes. */
const takes = (range: Versions, version: SemVer): boolean =>
  range.some(
    (one) =>
      one.test(version) &&
      (version.prerelease.length === 0 ||
        !one.set.flat().some((bound) => isOfBound(bound, version))),
  )

/** `1.2.3` and `v1.2.3`: whole versions only. */
const versionOf = (tag: string): SemVer | null => (/^v?\d/u.test(tag) ? parse(tag) : null)

/** Of equal versions the tag that sorts first, so that the answer does not depend on the server's order. */
export const highest = (tags: Iterable<string>, range: Versions): string | undefined => {
  let best: readonly [SemVer, string] | undefined
  for (const tag of tags) {
    const version = versionOf(tag)
    if (version === null || !takes(range, version)) continue
    const above = best === undefined ? 1 : compareBuild(version, best[0])
    if (best === undefined || above > 0 || (above === 0 && tag < best[1])) best = [version, tag]
  }
  return best?.[1]
}
