import { Duration, Result, Schema } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  decodeRepository,
  GitRepository,
  keyOf,
  pruneAllowanceOf,
  reconcileIntervalOf,
  reconcileRequestOf,
} from "../../src/domain/repository.ts"
import { RepositorySpec } from "../../src/domain/spec.ts"
import { raw, repository } from "./repositories.ts"
import { RIGHT, WRONG } from "./wrongSpecs.ts"

const refusal = (input: unknown) => {
  const result = decodeRepository(input)
  if (Result.isSuccess(result)) expect.fail("it was accepted")
  return result.failure
}

describe("a GitRepository", () => {
  it("has the documented defaults when only the url is given", () => {
    expect(Schema.encodeSync(RepositorySpec)(repository().spec)).toEqual({
      url: "https://git.example/web.git",
      branch: "main",
      path: ".",
      interval: "5m",
      timeout: "3m",
      suspend: false,
      prune: true,
      pruneLimit: "50%",
      deletionPolicy: "Orphan",
      healPolicy: "auto",
      healGracePeriod: "0s",
      conflictPolicy: "git",
      adopt: "Plain",
      dryRun: false,
      wait: false,
      force: false,
    })
  })

  it("reconciles every two intervals unless it says otherwise", () => {
    const { spec } = repository({ spec: { interval: "1m" } })
    expect(Duration.toMillis(reconcileIntervalOf(spec))).toBe(120_000)
    const explicit = repository({ spec: { reconcileInterval: "1h" } })
    expect(Duration.toMillis(reconcileIntervalOf(explicit.spec))).toBe(3_600_000)
  })

  it("is known by namespace and name", () => {
    expect(keyOf(repository())).toBe("shop/web")
  })

  it.each([
    [7, { count: 7 }],
    ["50%", { percent: 50 }],
    ["0%", { percent: 0 }],
  ])("reads the prune limit %j", (pruneLimit, allowance) => {
    expect(pruneAllowanceOf({ pruneLimit })).toEqual(allowance)
  })

  it("is asked to sync by NOPEA's annotation or by Flux's", () => {
    const flux = { "reconcile.fluxcd.io/requestedAt": "a" }
    const own = { "nopea.io/reconcile-requested-at": "b" }
    const asked = (annotations?: object) =>
      reconcileRequestOf(repository(annotations ? { metadata: { annotations } } : {}))
    expect([asked(), asked(flux), asked(own), asked({ ...flux, ...own })]).toEqual([
      undefined,
      "a",
      "b",
      "b",
    ])
  })

  it("keeps unknown fields from stopping it", () => {
    expect(Result.isSuccess(decodeRepository(raw({ spec: { tomorrow: 1 } })))).toBe(true)
  })

  it("keeps what can be read of a status from another version", () => {
    const status = { phase: "Paused", inventoryKinds: ["apps/Deployment"], resourceCount: "7" }
    expect(repository({ status }).status).toEqual({ inventoryKinds: ["apps/Deployment"] })
  })

  it.each(RIGHT.map((spec) => [JSON.stringify(spec), spec]))("takes %s", (_, spec) => {
    const result = decodeRepository(raw({ spec: spec as object }))
    expect(Result.isFailure(result) ? result.failure.reason : "").toBe("")
  })
})

describe("a wrong GitRepository is refused", () => {
  it.each(WRONG.map((wrong) => [wrong[0], JSON.stringify(wrong[1]).slice(0, 70), wrong] as const))(
    "%s: %s",
    (_field, _text, [field, spec, says]) => {
      const { code, reason, disposition } = refusal(raw({ spec }))
      expect({ code, disposition }).toEqual({ code: "NOPEA-C001", disposition: "stall" })
      expect(reason).toContain(field)
      expect(reason).toMatch(says)
    },
  )

  it("with what is wrong alone: what is no URL is no ssh URL", () => {
    for (const url of ["web", "ftp://git.example/web.git", "https:/git.example/web"])
      expect(refusal(raw({ spec: { url } })).message).not.toContain("ssh URL:")
  })

  it("with every problem at once, under one code, and named", () => {
    const { message } = refusal(raw({ spec: { interval: "soon", wait: 1, branch: "-x" } }))
    expect(message).toMatch(/^NOPEA-C001 read GitRepository shop\/web: /)
    for (const field of ["spec.interval", "spec.wait", "spec.branch"])
      expect(message).toContain(field)
  })

  it("without a word of the values, which may be secrets", () => {
    const secret = "hunter2"
    const spec = {
      url: `https://me:${secret}@git.example/web.git`,
      branch: `-${secret}`,
      interval: secret,
      secretRef: { name: `${secret}!` },
      healPolicy: secret,
      pruneLimit: secret,
      ref: { commit: secret },
      suspend: secret,
    }
    const error = refusal(raw({ spec }))
    expect(JSON.stringify(error) + error.message).not.toContain(secret)
  })

  it("when its name is too long for a label", () => {
    expect(refusal(raw({ metadata: { name: "a".repeat(64) } })).reason).toContain("metadata.name")
  })

  it("whatever it is, and never by an exception", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        expect(refusal(input).code).toBe("NOPEA-C001")
        expect(refusal({ ...raw(), spec: input }).code).toBe("NOPEA-C001")
      }),
    )
  })
})

it("a decoded GitRepository is written back as it was read", () => {
  const status = { phase: "Synced", history: [], conditions: [] }
  const input = raw({ spec: { ...Schema.encodeSync(RepositorySpec)(repository().spec) }, status })
  expect(Schema.encodeSync(GitRepository)(Result.getOrThrow(decodeRepository(input)))).toEqual(
    input,
  )
})
