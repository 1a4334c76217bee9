import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { FAULTS, type Fault, faultOf, gitError, reasonOf, redact } from "../../src/git/failure.ts"

const fatal = (text: string): string => `warning: something\nfatal: ${text}\n`

describe("the table", () => {
  it("gives each fault one code, and each code one fault", () => {
    const codes = Object.values(FAULTS).map(({ code }) => code)
    expect(new Set(codes).size).toBe(codes.length)
    for (const { code, fix } of Object.values(FAULTS)) {
      expect(code).toMatch(/^NOPEA-G\d{3}$/)
      expect(fix.length).toBeGreaterThan(8)
    }
  })

  it("makes an error that names operation, subject, reason and fix", () => {
    const error = gitError("timeout", { operation: "fetch", subject: "https://x/a" }, "late", 5)
    expect(error).toMatchObject({ code: "NOPEA-G002", disposition: "retry", retryAfter: 5 })
    expect(error.message).toBe("NOPEA-G002 fetch https://x/a: late")
  })
})

describe("git's words", () => {
  const cases: ReadonlyArray<readonly [Fault, string]> = [
    ["unreachable", "unable to access 'https://x/a/': Could not resolve host: x"],
    [
      "unreachable",
      "unable to access 'https://x/a/': Failed to connect to x port 443: Connection refused",
    ],
    ["unreachable", "unable to access 'https://x/a/': Couldn't connect to server"],
    ["unreachable", "unable to access 'https://ssl.x/a/': Could not resolve host: ssl.x"],
    [
      "timeout",
      "unable to access 'https://x/a/': Operation too slow. Less than 1 bytes/sec transferred",
    ],
    ["authentication", "could not read Username for 'https://x': terminal prompts disabled"],
    ["authentication", "Authentication failed for 'https://x/a/'"],
    ["repositoryMissing", "repository 'https://x/a/' not found"],
    ["repositoryMissing", "'/srv/a' does not appear to be a git repository"],
    ["branchMissing", "couldn't find remote ref refs/heads/main"],
    ["branchMissing", "couldn't find remote ref refs/heads/certificate"],
    ["tls", "unable to access 'https://x/a/': SSL certificate problem: self-signed certificate"],
    [
      "tls",
      "unable to access 'https://x/a/': server certificate verification failed. CAfile: none",
    ],
    ["hostKey", "Host key verification failed."],
    ["diskFull", "cannot pwrite: No space left on device"],
    ["unsupported", "dumb http transport does not support shallow capabilities"],
    ["unsupported", "mismatched algorithms: client sha1; server sha256"],
    ["corrupted", "Unable to create '/data/mirrors/x/shallow.lock': File exists."],
    ["corrupted", "not a git repository: '/data/mirrors/x'"],
    ["corrupted", "bad object refs/nopea/x"],
    ["corrupted", "https://x/a did not send all necessary objects"],
    ["gone", "remote error: upload-pack: not our ref 1111"],
    ["gone", "Server does not allow request for unadvertised object 1111"],
    ["badAnswer", "protocol error: bad line length character: <htm"],
    ["badAnswer", "https://x/a/info/refs not valid: is this a git repository?"],
    ["badAnswer", "RPC failed; curl 18 transfer closed with outstanding read data remaining"],
    ["badAnswer", "unable to access 'https://x/certificate/': Empty reply from server"],
    ["dataDir", "cannot mkdir /data/x: Permission denied"],
    ["unknown", "the moon is full"],
  ]
  it.each(cases)("%s: %s", (fault, text) => {
    expect(faultOf({ stderr: fatal(text), status: 200 })).toBe(fault)
  })

  it("what the server says about itself is not said about us", () => {
    const stderr = `remote: fatal: No space left on device\n${fatal("protocol error: bad pack header")}`
    expect(faultOf({ stderr, status: 200 })).toBe("badAnswer")
  })

  it.each([
    ["badAnswer", "remote: fatal: write error: No space left on device"],
    ["badAnswer", "remote: cannot mkdir x: Read-only file system"],
    ["badAnswer", "remote: pack has bad object at offset 12: inflate returned -5"],
    ["repositoryMissing", "remote: '/srv/a' does not appear to be a git repository"],
    ["authentication", "fatal: git@x: Permission denied (publickey)."],
    ["unreachable", "fatal: ssh: connect to host x port 22: Connection refused"],
  ] as const)("over SSH it is %s, and not our disk: %s", (fault, far) => {
    const stderr = fatal("Could not read from remote repository.")
    expect(faultOf({ stderr, far, status: 0 })).toBe(fault)
  })

  it("our full disk is ours, whatever the server says too", () => {
    const stderr = fatal("cannot pwrite: No space left on device")
    expect(faultOf({ stderr, far: "fatal: Connection to x closed", status: 0 })).toBe("diskFull")
    const repeated = "fatal: remote error: No space left on device\n"
    expect(faultOf({ stderr: repeated, status: 200 })).toBe("badAnswer")
  })

  it.each([
    [403, "remote: You have exceeded a secondary rate limit.", "rateLimited"],
    [403, "remote: you may not", "forbidden"],
    [404, "remote: rate limit of nobody", "repositoryMissing"],
    [0, "remote: ERROR: This endpoint has been requested too many times.", "rateLimited"],
    [0, "fatal: ERROR: Too many requests", "rateLimited"],
    [0, "fatal: '/a/rate limit.git' does not appear to be a git repository", "repositoryMissing"],
    [403, "remote: You've come to a rate limit of a/b, that's all", "rateLimited"],
  ] as const)("HTTP %i with %s is %s", (status, said, fault) => {
    const stderr = `${said}\n${fatal("Could not read from remote repository.")}`
    expect(faultOf({ stderr, status })).toBe(fault)
  })

  it.each([
    [301, undefined, "redirect"],
    [401, undefined, "authentication"],
    [403, undefined, "forbidden"],
    [403, 5000, "rateLimited"],
    [404, undefined, "repositoryMissing"],
    [407, undefined, "proxy"],
    [410, undefined, "repositoryMissing"],
    [418, undefined, "badAnswer"],
    [429, undefined, "rateLimited"],
    [500, undefined, "serverError"],
    [503, 5000, "serverError"],
  ] as const)("HTTP %i (rest %s) is %s whatever git says", (status, retryAfter, fault) => {
    const stderr = fatal(
      `unable to access 'https://x/': The requested URL returned error: ${status}`,
    )
    expect(faultOf({ stderr, status, retryAfter })).toBe(fault)
  })
})

describe("redaction", () => {
  it("takes out secrets wherever they stand, and users in URLs, and headers", () => {
    const text = "fatal: 'https://user:word@x/a' s3cret Authorization: Basic dTpw\nnext"
    expect(redact(text, ["s3cret"])).toBe("fatal: 'https://x/a' *** Authorization: ***\nnext")
  })

  it("leaves no secret of any text, also where one contains another", () => {
    const secret = fc
      .string({ minLength: 3 })
      .filter((text) => !/^[* ]*$/.test(text) && !text.includes("*"))
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 3 }),
        fc.string(),
        (secrets, text) => {
          const nested = secrets.join("")
          const clean = redact(`${text}${nested}${text}${secrets[0]}`, [...secrets, nested])
          const left = clean.replaceAll("***", "\u0000")
          for (const one of [...secrets, nested]) expect(left).not.toContain(one)
        },
      ),
    )
  })

  it("a reason is the telling lines, bounded, without colours", () => {
    const noise = "remote: \u001b[31mRepository not found.\u001b[0m\nprogress 5%\nfatal: no\n"
    expect(reasonOf(noise, [])).toBe("remote: [31mRepository not found.[0m; fatal: no")
    expect(reasonOf("remote: token t0ken is not enough\n", ["t0ken"])).toContain("token *** is")
    expect(reasonOf(`fatal: ${"x".repeat(10_000)}`, []).length).toBeLessThan(420)
    expect(reasonOf("", [])).toMatch(/^git failed without a word/u)
  })

  it.each([
    [0, "remote: root:x:0:0; fatal: no"],
    [200, "remote: root:x:0:0; fatal: no"],
    [400, "fatal: no"],
    [503, "fatal: no"],
  ])(
    "of an answer with status %i, the body is shown only where git refuses by it",
    (status, said) => {
      expect(reasonOf("remote: root:x:0:0\nfatal: no\n", [], status)).toBe(said)
    },
  )

  it("a reason is never the body of an HTTP error, not even where there is nothing else", () => {
    expect(reasonOf("remote: root:x:0:0\nremote:\n", [], 500)).toMatch(
      /^git failed without a word/u,
    )
  })
})
