import { describe, expect, it } from "vitest"
import { withoutStringData } from "../../src/render/secret.ts"

const secret = (rest: object) => ({ apiVersion: "v1", kind: "Secret", ...rest })

describe("a Secret's stringData", () => {
  it("becomes data in base64, and goes before data of the same key", () => {
    const given = secret({ data: { a: "b2xk", b: "Yg==" }, stringData: { a: "new", c: "ä\n" } })
    expect(withoutStringData(given)).toEqual(secret({ data: { a: "bmV3", b: "Yg==", c: "w6QK" } }))
    expect(withoutStringData(secret({ stringData: { a: "" } }))).toEqual(
      secret({ data: { a: "" } }),
    )
    expect(withoutStringData(secret({ stringData: {}, data: null }))).toEqual(secret({ data: {} }))
  })

  it.for([
    ["with a number in it", secret({ stringData: { a: "x", b: 5 } })],
    ["with null in it", secret({ stringData: { a: null } })],
    ["that is a list", secret({ stringData: ["x"] })],
    ["that is null", secret({ stringData: null })],
    ["beside data that is text", secret({ stringData: { a: "x" }, data: "x" })],
    ["that is absent", secret({ data: { a: "eA==" } })],
    ["of another kind", { apiVersion: "example.com/v1", kind: "Secret", stringData: { a: "x" } }],
    ["of a ConfigMap", { apiVersion: "v1", kind: "ConfigMap", stringData: { a: "x" } }],
  ] as const)("%s stays, for the API server to judge", ([, given]) => {
    expect(withoutStringData(given)).toBe(given)
  })
})
