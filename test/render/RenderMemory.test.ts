import { describe } from "@effect/vitest"
import { renderContract } from "../contract/Render.contract.ts"
import { layer } from "../layers/RenderMemory.ts"

describe("Render in memory", () => renderContract(layer))
