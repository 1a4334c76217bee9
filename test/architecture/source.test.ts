import { importRules } from "./imports.ts"
import { purityRules } from "./purity.ts"
import { enforce } from "./rule.ts"
import { shapeRules } from "./shape.ts"
import { read, src } from "./tree.ts"

const { dependencies } = JSON.parse(read("package.json")) as { dependencies: object }

enforce([...importRules(new Set(Object.keys(dependencies))), ...purityRules, ...shapeRules], src)
