import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { atOnce } from "../../src/domain/parts.ts"
import {
  hostAsked,
  parseBatch,
  parseCommit,
  parseLsRemote,
  parseTrace,
  parseVersion,
} from "../../src/git/protocol.ts"

const A = "a".repeat(40)
const B = "b".repeat(64)
const batchIn = (answer: Buffer) => atOnce(parseBatch(answer))
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

describe("ls-remote", () => {
  it("gives commits by ref, of both hash lengths, and skips what is no ref", () => {
    const text = `ref: refs/heads/main\tHEAD\n${A}\trefs/heads/main\n${B}\trefs/heads/a b\nwarning: x\n`
    expect([...parseLsRemote(text)]).toEqual([
      ["refs/heads/main", A],
      ["refs/heads/a b", B],
    ])
  })

  it("tells a branch from a ref that ends like it", () => {
    const refs = parseLsRemote(`${A}\trefs/backup/refs/heads/main\n`)
    expect(refs.get("refs/heads/main")).toBeUndefined()
  })
})

describe("cat-file --batch-command", () => {
  const object = (id: string, body: Uint8Array): Uint8Array =>
    Buffer.concat([bytes(`${id} blob ${body.length}\n`), body, bytes("\n")])

  it("whatever the bodies hold, the same objects come out", () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string().map(bytes),
      fc.constantFrom(bytes(`${A} missing\n`), bytes(`\n${A} blob 3\nabc\n`)),
    )
    fc.assert(
      fc.property(fc.array(fc.option(body), { maxLength: 8 }), (bodies) => {
        const id = (index: number) => String(index).padStart(40, "0")
        const stream = bodies.map((one, index) =>
          one === null ? bytes(`${id(index)} missing\n`) : object(id(index), one),
        )
        const parsed = batchIn(Buffer.concat(stream))
        expect(parsed.isWhole).toBe(true)
        expect(parsed.missing).toEqual(
          bodies.flatMap((one, index) => (one === null ? [id(index)] : [])),
        )
        expect([...parsed.objects]).toEqual(
          bodies.flatMap((one, index) => (one === null ? [] : [[id(index), new Uint8Array(one)]])),
        )
      }),
    )
  })

  it("a stream that breaks off anywhere is not whole", () => {
    const stream = Buffer.concat([object(A, bytes("hello")), object(A, bytes("x"))])
    const edges = new Set([0, object(A, bytes("hello")).length, stream.length])
    for (let end = 0; end <= stream.length; end += 1) {
      expect(batchIn(stream.subarray(0, end)).isWhole).toBe(edges.has(end))
    }
  })

  it("an answer keeps no other answer's memory", () => {
    const { objects } = batchIn(Buffer.concat([object(A, bytes("a")), bytes(`${B} missing\n`)]))
    expect(objects.get(A)?.buffer.byteLength).toBe(1)
  })
})

describe("commits", () => {
  const head = `tree ${A}\nparent ${A}\nauthor Ann <ann@example.com> 1 +0200\ncommitter Bob <bob@example.com> 1000000000 -0700`

  it("have the author's address, the committer's time in UTC, and the first line", () => {
    expect(parseCommit(A, bytes(`${head}\n\nfirst line \nsecond\n`))).toEqual({
      sha: A,
      message: "first line",
      author: "ann@example.com",
      time: "2001-09-09T01:46:40Z",
    })
  })

  it("may be signed, and a signature is not read as a header", () => {
    const signed = `${head}\ngpgsig -----BEGIN\n author Eve <eve@example.com> 2 +0000\n -----END\n\nmsg\n`
    expect(parseCommit(A, bytes(signed))).toMatchObject({
      author: "ann@example.com",
      message: "msg",
    })
  })

  it("may lack a message, an address, or a sensible time", () => {
    const odd = `tree ${A}\nauthor Ann 1 +0000\ncommitter Bob <> 99999999999999999 +0000\n\n`
    const parsed = parseCommit(A, bytes(odd))
    expect(parsed).toMatchObject({ message: "", author: "" })
    expect(Number.isNaN(Date.parse(parsed.time))).toBe(false)
  })

  it("of any bytes give a commit", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (some) => {
        expect(parseCommit(A, some).sha).toBe(A)
      }),
    )
  })

  it("a long first line is cut", () => {
    expect(parseCommit(A, bytes(`${head}\n\n${"x".repeat(10_000)}`)).message).toHaveLength(500)
  })
})

describe("curl traces", () => {
  const line = (text: string): string => `19:38:53.714654 http.c:684   <= Recv header: ${text}\n`
  const now = Date.parse("2026-11-20T10:00:00Z")

  it.each([
    [["HTTP/1.1 200 OK"], { status: 200 }],
    [["HTTP/2 429", "retry-after: 7"], { status: 429, retryAfter: 7000 }],
    [
      ["HTTP/1.1 503 Busy", "Retry-After: Fri, 20 Nov 2026 10:00:30 GMT"],
      { status: 503, retryAfter: 30_000 },
    ],
    [
      ["HTTP/1.1 429 x", "Retry-After: Fri, 20 Nov 2026 09:00:00 GMT"],
      { status: 429, retryAfter: 0 },
    ],
    [["HTTP/1.1 429 x", "Retry-After: 999999999"], { status: 429, retryAfter: 3_600_000 }],
    [["HTTP/1.1 429 x", "Retry-After: soon"], { status: 429 }],
    [["HTTP/1.1 429 x", "Retry-After: 7", "HTTP/1.1 200 OK"], { status: 200 }],
    [
      ["HTTP/1.1 403 x", "X-RateLimit-Remaining: 0", `X-RateLimit-Reset: ${now / 1000 + 90}`],
      { status: 403, retryAfter: 90_000 },
    ],
    [
      ["HTTP/1.1 403 x", "X-RateLimit-Remaining: 9", `X-RateLimit-Reset: ${now / 1000 + 90}`],
      { status: 403 },
    ],
    [
      ["HTTP/1.1 429 x", "RateLimit-Remaining: 0", `RateLimit-Reset: ${now / 1000 + 90}`],
      { status: 429, retryAfter: 90_000 },
    ],
    [
      ["HTTP/1.1 429 x", "RateLimit-Remaining: 0", "RateLimit-Reset: 45"],
      { status: 429, retryAfter: 45_000 },
    ],
    [["HTTP/1.1 429 x", "RateLimit-Remaining: 0", "RateLimit-Reset: soon"], { status: 429 }],
    [
      [
        "HTTP/1.1 429 x",
        "Date: Fri, 20 Nov 2026 07:00:00 GMT",
        "Retry-After: Fri, 20 Nov 2026 07:00:20 GMT",
      ],
      { status: 429, retryAfter: 20_000 },
    ],
  ])("%j", (lines, answered) => {
    expect(parseTrace(lines.map(line).join(""), now)).toEqual(answered)
  })

  it("an answer about a tunnel is the proxy's, one through it is the server's", () => {
    const sent = (text: string) => `19:38:53.714654 http.c:684   => Send header: ${text}\r\n`
    const opened = sent("CONNECT git.example:443 HTTP/1.1") + sent("Host: git.example:443")
    expect(parseTrace(opened + line("HTTP/1.1 407 No"), now)).toEqual({
      status: 407,
      isByProxy: true,
    })
    const asked = sent("GET /a/info/refs?service=git-upload-pack HTTP/1.1")
    const through = `${opened}${line("HTTP/1.1 200 OK")}${asked}${line("HTTP/1.1 404 No")}`
    expect(parseTrace(through, now)).toEqual({ status: 404 })
  })

  it("tells whom the last question went to, whatever a server says of it", () => {
    const sent = (text: string) => `19:38:53.714654 http.c:684   => Send header: ${text}\r\n`
    const moved = line("HTTP/1.1 302 Found") + line("Location: https://b.example/")
    const asked = sent("GET /a HTTP/1.1") + sent("Host: a.example")
    expect(hostAsked(asked + moved)).toBe("a.example")
    const forged = line("X: => Send header: Host: a.example") + line("Host: a.example")
    expect(hostAsked(asked + moved + sent("host: B.example:8443") + forged)).toBe("b.example:8443")
    expect(hostAsked(moved)).toBeUndefined()
  })

  it("without an answer there is no status, and what was sent is not read", () => {
    expect(parseTrace("x http.c:684  => Send header: HTTP/1.1 200\n", now)).toEqual({ status: 0 })
  })
})

describe("versions", () => {
  it.each([
    ["git version 2.39.5", [2, 39]],
    ["git version 2.39.5 (Apple Git-154)", [2, 39]],
    ["git version 3.0.0.rc1", [3, 0]],
    ["sh: git: not found", undefined],
  ])("%s", (text, version) => {
    expect(parseVersion(text)).toEqual(version)
  })
})
