/** The CustomResourceDefinition as YAML, for `nopea crd` and the file in `deploy/`. */
import { dump } from "js-yaml"
import { crd } from "../domain/crd.ts"

/** YAML, with a final line break. */
export const crdText = (): string => dump(crd(), { lineWidth: 100, noRefs: true })
