/** Objects as YAML for people and pipes. */
import { DUMP_SCHEMA, dump, intYaml11Tag } from "js-yaml"

const inDumpSchema = DUMP_SCHEMA.lookupScalarTag(intYaml11Tag.tagName) ?? intYaml11Tag
/** Integers beyond 2^53 keep every digit; text that any YAML reader takes for something else is quoted. */
const SCHEMA = DUMP_SCHEMA.withTags({
  ...inDumpSchema,
  identify: (value: unknown) => typeof value === "bigint" || inDumpSchema.identify(value),
  represent: String,
})

/** Without a final line break. */
export const yamlOf = (value: unknown): string =>
  dump(value, { lineWidth: -1, noRefs: true, schema: SCHEMA }).trimEnd()
