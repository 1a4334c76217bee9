// What a CDEvent 0.5.1 may be, checked by hand: whatever is missing, too much or of a wrong form is an error.
import type { IncomingHttpHeaders } from "node:http"

type Fields = Readonly<Record<string, unknown>>

const fail = (what: string): never => {
  throw new Error(what)
}
const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const objectOf = (value: unknown, name: string): Fields =>
  isObject(value) ? value : fail(`${name} is no object`)
const text = (value: unknown, name: string, form = /./su): string =>
  typeof value === "string" && form.test(value) ? value : fail(`${name}: ${JSON.stringify(value)}`)
/** All of these are there, and nothing else but those that may be. */
const closed = (
  value: Fields,
  name: string,
  must: ReadonlyArray<string>,
  may: ReadonlyArray<string>,
) => {
  for (const field of must) if (!(field in value)) fail(`${name} lacks ${field}`)
  for (const field of Object.keys(value))
    if (![...must, ...may].includes(field)) fail(`${name} has ${field}`)
}

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/u
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/u
const SOURCE = /^\/clusters\/[\w.-]+\/nopea$/u
const PURL =
  /^pkg:((github|bitbucket)\/[a-z0-9._-]+\/[a-z0-9._-]+@[0-9a-f]{40}|generic\/[\w.%-]+@[0-9a-f]{40}\?vcs_url=git%2B(https?|ssh|file):\/\/[\w.:%/-]*%40[0-9a-f]{40})$/u
const CUSTOM = /^dev\.cdeventsx\.nopea-[a-z]+\.[a-z]+\.0\.1\.0$/u

const CUSTOM_NAMES = new Set(
  [
    "repository.fetched",
    "deployment.started",
    "deployment.finished",
    "deployment.failed",
    "drift.detected",
  ].map((name) => `dev.cdeventsx.nopea-${name}.0.1.0`),
)
/** `service.*`: the fields that its content must have. The schemas are closed. */
const SERVICES: Readonly<Record<string, ReadonlyArray<string>>> = {
  "dev.cdevents.service.deployed.0.3.0": ["environment", "artifactId"],
  "dev.cdevents.service.upgraded.0.3.0": ["environment", "artifactId"],
  "dev.cdevents.service.rolledback.0.3.0": ["environment", "artifactId"],
  "dev.cdevents.service.removed.0.3.0": ["environment"],
}

const checkContent = (type: string, content: Fields): void => {
  const must = SERVICES[type]
  if (must === undefined) {
    if (!CUSTOM.test(type) || !CUSTOM_NAMES.has(type)) fail(`type ${type}`)
    return
  }
  closed(content, "content", must, [])
  const environment = objectOf(content["environment"], "environment")
  closed(environment, "environment", ["id"], ["source"])
  text(environment["id"], "environment.id", /^[\w.-]+\/[a-z0-9-]+$/u)
  if (must.includes("artifactId")) text(content["artifactId"], "artifactId", PURL)
}

const checkLink = (value: unknown): void => {
  const link = objectOf(value, "link")
  const isRelation = link["linkType"] === "RELATION"
  closed(link, "link", isRelation ? ["linkType", "linkKind", "target"] : ["linkType", "from"], [])
  if (isRelation) text(link["linkKind"], "linkKind", /^TRIGGER$/u)
  else text(link["linkType"], "linkType", /^(PATH|END)$/u)
  const end = objectOf(link[isRelation ? "target" : "from"], "end of a link")
  closed(end, "end of a link", ["contextId"], [])
  text(end["contextId"], "contextId", ULID)
}

export interface Checked {
  readonly id: string
  readonly type: string
  readonly time: string
  readonly chainId: string
  readonly subject: string
  readonly content: Fields
  readonly customData: Fields
  readonly links: ReadonlyArray<Fields>
}

/** The event, or an error that says what is wrong with it. */
export const checkEvent = (value: unknown): Checked => {
  const event = objectOf(value, "event")
  closed(event, "event", ["context", "subject"], ["customData", "customDataContentType"])
  const context = objectOf(event["context"], "context")
  closed(
    context,
    "context",
    ["specversion", "id", "source", "type", "timestamp"],
    ["chainId", "links"],
  )
  text(context["specversion"], "specversion", /^0\.5\.1$/u)
  const links = (context["links"] ?? []) as ReadonlyArray<Fields>
  if (!Array.isArray(links)) fail("links is no list")
  links.forEach(checkLink)
  const subject = objectOf(event["subject"], "subject")
  closed(subject, "subject", ["id", "content"], ["source"])
  text(subject["source"], "subject.source", SOURCE)
  text(context["source"], "source", SOURCE)
  const content = objectOf(subject["content"], "content")
  const type = text(context["type"], "type")
  checkContent(type, content)
  text(event["customDataContentType"], "customDataContentType", /^application\/json$/u)
  return {
    id: text(context["id"], "id", ULID),
    type,
    time: text(context["timestamp"], "timestamp", TIME),
    chainId: text(context["chainId"], "chainId", UUID),
    subject: text(subject["id"], "subject.id"),
    content,
    customData: objectOf(event["customData"], "customData"),
    links,
  }
}

const MAX_BYTES = 65_536

const decoded = (value: string): string => decodeURIComponent(value)

/** A delivery as a CloudEvent 1.0 in either mode; its attributes are those of the event inside. */
export const checkDelivery = (headers: IncomingHttpHeaders, body: string): Checked => {
  const size = Object.entries(headers).reduce((sum, [k, v]) => sum + k.length + String(v).length, 0)
  if (Buffer.byteLength(body) + size > MAX_BYTES) fail("larger than 64 KiB")
  const ce = Object.entries(headers).filter(([name]) => name.startsWith("ce-"))
  const isBinary = headers["content-type"] === "application/json"
  if (!isBinary && headers["content-type"] !== "application/cloudevents+json")
    fail(`content-type ${headers["content-type"]}`)
  if (isBinary === (ce.length === 0)) fail("headers of the other mode")
  for (const [name, value] of ce) text(value, name, /^[\u0021\u0023-\u007e]+$/u)
  const { data, datacontenttype, ...rest } = isBinary
    ? {
        ...Object.fromEntries(ce.map(([name, value]) => [name.slice(3), decoded(String(value))])),
        data: JSON.parse(body),
        datacontenttype: "application/json",
      }
    : JSON.parse(body)
  if (datacontenttype !== "application/json") fail("datacontenttype")
  const event = checkEvent(data)
  const attributes = {
    specversion: "1.0",
    id: event.id,
    source: data.context.source,
    type: event.type,
    subject: event.subject,
    time: event.time,
  }
  closed(rest, "attributes", Object.keys(attributes), [])
  for (const [name, value] of Object.entries(attributes))
    if ((rest as Fields)[name] !== value) fail(`${name} is not that of the event`)
  return event
}
