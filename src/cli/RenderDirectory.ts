/** `nopea render DIR`: the objects of a folder, in apply order, as they would be applied but for labels. */
import { Effect } from "effect"
import type { ConfigError, Failure, RenderError } from "../domain/errors.ts"
import { type DesiredObject, stringify } from "../domain/object.ts"
import { parseJson } from "../plan/json.ts"
import { applyStages } from "../plan/order.ts"
import { Render } from "../render/Render.ts"
import { readLocalTree } from "./LocalTree.ts"
import { plain } from "./words.ts"
import { yamlOf } from "./yaml.ts"

export interface RenderedText {
  /** Empty where there is no object. */
  readonly text: string
  /** Lines for stderr: warnings, then errors with file, document, line and fix. */
  readonly messages: ReadonlyArray<string>
  readonly failed: number
}

const place = ({ file, document, line }: Failure): string =>
  [
    file,
    document === undefined ? "" : `document ${document}`,
    line === undefined ? "" : `line ${line}`,
  ]
    .filter((part) => part !== undefined && part !== "")
    .join(", ")

const errorLine = (failure: Failure): string =>
  `error: ${failure.code} ${plain(place(failure))}: ${plain(failure.reason)}\n  fix: ${plain(failure.fix)}`

const asYaml = ({ json }: DesiredObject): string => yamlOf(parseJson(json))

const asList = (objects: ReadonlyArray<DesiredObject>): string => {
  const items = objects.map(({ json }) => parseJson(json))
  return stringify({ apiVersion: "v1", kind: "List", items })
}

const printed = (objects: ReadonlyArray<DesiredObject>, output: "yaml" | "json"): string => {
  if (output === "json") return asList(objects)
  return objects.map((object) => `---\n${asYaml(object)}`).join("\n")
}

export const renderDirectory = Effect.fn("cli.render")(function* (
  directory: string,
  output: "yaml" | "json",
): Effect.fn.Return<RenderedText, ConfigError | RenderError, Render> {
  const render = yield* Render
  const tree = yield* readLocalTree(directory)
  const rendered = yield* render.render({
    subject: directory,
    ...tree,
  })
  const objects = applyStages(rendered.objects).flat()
  const text = printed(objects, output)
  const isEmpty = rendered.objects.length === 0 && rendered.failures.length === 0
  const nothing = isEmpty ? [`${directory} has no objects`] : []
  const warnings = [...rendered.warnings, ...nothing].map((warning) => `warning: ${plain(warning)}`)
  return {
    text,
    messages: [...warnings, ...rendered.failures.map(errorLine)],
    failed: rendered.failures.length,
  }
})
