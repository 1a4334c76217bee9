/** Tags as versions: which of them is the highest that a range takes. */
import { type Comparator, compareBuild, parse, Range, SemVer } from "semver"

/** The alternatives of a range. */
export type Versions = ReadonlyArray<Range>

/** `-` inside a version; that of `1.2 - 1.4` stands alone. */
const NAMES_PRERELEASE = /\d-[0-9A-Za-z]/u

/** Whoever writes a range may write the server's tags too: what both cost together has a bound. */
const MAX_ALTERNATIVES = 8
const MAX_CONDITIONS = 16

/** Undefined: this is no range, or too long a one. Commas part conditions as spaces do. */
export const rangeOf = (text: string): Versions | undefined => {
  const parts = text.replaceAll(",", " ").split("||")
  if (parts.length > MAX_ALTERNATIVES) return undefined
  try {
    const range = parts.map(
      (part) => new Range(part, { includePrerelease: NAMES_PRERELEASE.test(part) }),
    )
    return range.some(({ set }) => set.flat().length > MAX_CONDITIONS) ? undefined : range
  } catch {
    return undefined
  }
}

/** `<2.0.0` means to leave out 2.0.0-rc.1 too, which comes before it. */
const isOfBound = ({ operator, semver: bound }: Comparator, version: SemVer): boolean =>
  operator === "<" && bound.prerelease.length === 0 && bound.compareMain(version) === 0

/** An alternative that names a pre-release takes those of every version that it takes. */
const takes = (one: Range, version: SemVer): boolean =>
  one.test(version) &&
  (version.prerelease.length === 0 || !one.set.flat().some((bound) => isOfBound(bound, version)))

/** `1.2.3` and `v1.2.3`: whole versions only. */
const versionOf = (tag: string): SemVer | null => (/^v?\d/u.test(tag) ? parse(tag) : null)

/** Of equal versions the tag that sorts first, so that the answer does not depend on the server's order. */
export const highest = (tags: Iterable<string>, range: Versions): string | undefined => {
  const isEarly = range.some((one) => one.includePrerelease)
  let best: readonly [SemVer, string] | undefined
  for (const tag of tags) {
    const version = versionOf(tag)
    if (version === null) continue
    // A version with other options than the range's is parsed anew for each of its conditions.
    const early = isEarly ? new SemVer(tag, { includePrerelease: true }) : version
    if (!range.some((one) => takes(one, one.includePrerelease ? early : version))) continue
    const above = best === undefined ? 1 : compareBuild(version, best[0])
    if (best === undefined || above > 0 || (above === 0 && tag < best[1])) best = [version, tag]
  }
  return best?.[1]
}
