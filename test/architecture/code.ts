// A source file as facts that rules can ask for: its imports, members, throws, functions and exports.
import { parseAst } from "rolldown/parseAst"

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

export interface Binding {
  /** Name in the imported module; `*` for a namespace, `default` for the default export. */
  readonly imported: string
  readonly local: string
  readonly typeOnly: boolean
}

export interface Import {
  readonly from: string
  readonly bindings: ReadonlyArray<Binding>
  readonly kind: "static" | "dynamic" | "reexport"
  readonly typeOnly: boolean
  readonly line: number
}

export interface Site {
  readonly name: string
  readonly line: number
}

export interface FunctionFact extends Site {
  /** Without the lines of the functions inside it: a service is a function full of functions. */
  readonly lines: number
  /** How deep `if`, loops, `switch` and `try` are nested in it. */
  readonly nesting: number
}

export interface Code {
  /** Relative to the repository, such as `src/git/Git.ts`. */
  readonly path: string
  readonly text: string
  readonly lines: number
  readonly imports: ReadonlyArray<Import>
  readonly throws: ReadonlyArray<Site>
  /** `Effect.catchCause` of an identifier and a property, anywhere. */
  readonly members: ReadonlyArray<Site>
  /** Identifiers that are called (`setTimeout`) or constructed (`new Date`, only without arguments). */
  readonly calls: ReadonlyArray<Site>
  readonly functions: ReadonlyArray<FunctionFact>
  readonly exportedNames: ReadonlyArray<string>
  /** Exported functions whose result has no written type. */
  readonly untypedExports: ReadonlyArray<Site>
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string"

const childrenOf = (node: Node): ReadonlyArray<Node> =>
  Object.values(node).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isNode))

const walk = (node: Node, visit: (node: Node, parents: ReadonlyArray<Node>) => void): void => {
  const go = (current: Node, parents: ReadonlyArray<Node>): void => {
    visit(current, parents)
    const below = [...parents, current]
    for (const child of childrenOf(current)) go(child, below)
  }
  go(node, [])
}

const nameOf = (node: unknown): string => {
  if (!isNode(node)) return ""
  return String(node["name"] ?? node["value"] ?? "")
}

const bindingOf = (specifier: Node, allTypes: boolean): Binding => {
  const imported =
    specifier.type === "ImportNamespaceSpecifier"
      ? "*"
      : specifier.type === "ImportDefaultSpecifier"
        ? "default"
        : nameOf(specifier["imported"])
  const typeOnly = allTypes || specifier["importKind"] === "type"
  return { imported, local: nameOf(specifier["local"]), typeOnly }
}

const importOf = (node: Node, line: number): Import | undefined => {
  if (node.type === "ImportDeclaration") {
    const allTypes = node["importKind"] === "type"
    const bindings = (node["specifiers"] as ReadonlyArray<Node>).map((s) => bindingOf(s, allTypes))
    const typeOnly = allTypes || (bindings.length > 0 && bindings.every((b) => b.typeOnly))
    return { from: nameOf(node["source"]), bindings, kind: "static", typeOnly, line }
  }
  if (node.type === "ImportExpression") {
    const from = nameOf(node["source"])
    return { from, bindings: [], kind: "dynamic", typeOnly: false, line }
  }
  if (node.type === "ExportAllDeclaration" || node.type === "ExportNamedDeclaration") {
    if (!isNode(node["source"])) return undefined
    const typeOnly = node["exportKind"] === "type"
    return { from: nameOf(node["source"]), bindings: [], kind: "reexport", typeOnly, line }
  }
  return undefined
}

const FUNCTIONS = new Set(["ArrowFunctionExpression", "FunctionExpression", "FunctionDeclaration"])
const BRANCHES = /^(If|For|ForIn|ForOf|While|DoWhile|Switch|Try)Statement$/

const isElseIf = (node: Node, parents: ReadonlyArray<Node>): boolean =>
  node.type === "IfStatement" && parents.at(-1)?.["alternate"] === node

const nestingOf = (fn: Node): number => {
  let deepest = 0
  walk(fn["body"] as Node, (node, parents) => {
    if (!BRANCHES.test(node.type) || parents.some((p) => FUNCTIONS.has(p.type))) return
    const around = parents.filter(
      (p, i) => BRANCHES.test(p.type) && !isElseIf(p, parents.slice(0, i)),
    )
    deepest = Math.max(deepest, around.length + (isElseIf(node, parents) ? 0 : 1))
  })
  return deepest
}

const ownLines = (fn: Node, lineAt: (offset: number) => number): number => {
  const first = lineAt(fn.start)
  const own = new Set(Array.from({ length: lineAt(fn.end - 1) - first + 1 }, (_, i) => first + i))
  walk(fn["body"] as Node, (node) => {
    if (!FUNCTIONS.has(node.type)) return
    for (let line = lineAt(node.start) + 1; line <= lineAt(node.end - 1); line++) own.delete(line)
  })
  return own.size
}

/** What the export's value really is: `Effect.fn("x")(function* () {…})` is the function inside. */
const functionIn = (init: unknown): Node | undefined => {
  if (!isNode(init)) return undefined
  if (FUNCTIONS.has(init.type)) return init
  if (init.type !== "CallExpression") return undefined
  const isEffectFn = /^Effect\.fn/.test(calleePath(init["callee"]))
  return isEffectFn
    ? (init["arguments"] as ReadonlyArray<Node>).find((a) => FUNCTIONS.has(a.type))
    : undefined
}

const calleePath = (callee: unknown): string => {
  if (!isNode(callee)) return ""
  if (callee.type === "CallExpression") return calleePath(callee["callee"])
  if (callee.type === "MemberExpression") {
    return `${nameOf(callee["object"])}.${nameOf(callee["property"])}`
  }
  return nameOf(callee)
}

interface Exported {
  readonly name: string
  readonly node: Node
  readonly typed: boolean
}

const exportedOf = (declaration: Node): ReadonlyArray<Exported> => {
  if (declaration.type === "VariableDeclaration") {
    return (declaration["declarations"] as ReadonlyArray<Node>).map((d) => {
      const id = d["id"] as Node
      const fn = functionIn(d["init"])
      const typed = isNode(id["typeAnnotation"]) || fn === undefined || isNode(fn["returnType"])
      return { name: nameOf(id), node: d, typed }
    })
  }
  const typed = declaration.type !== "FunctionDeclaration" || isNode(declaration["returnType"])
  return [{ name: nameOf(declaration["id"]), node: declaration, typed }]
}

/** Parses one file; a syntax error is thrown, since nothing about such a file can be vouched for. */
export const codeOf = (path: string, text: string): Code => {
  const starts = [0, ...[...text.matchAll(/\n/g)].map((m) => m.index + 1)]
  const lineAt = (offset: number): number => starts.findLastIndex((start) => start <= offset) + 1
  const program = parseAst(text, { lang: "ts" }, path) as unknown as Node
  const facts = {
    imports: [] as Import[],
    throws: [] as Site[],
    members: [] as Site[],
    calls: [] as Site[],
    functions: [] as FunctionFact[],
    exported: [] as Exported[],
  }
  walk(program, (node) => {
    const line = lineAt(node.start)
    const found = importOf(node, line)
    if (found !== undefined) facts.imports.push(found)
    if (node.type === "ThrowStatement") facts.throws.push({ name: "throw", line })
    if (node.type === "MemberExpression") {
      facts.members.push({ name: calleePath(node), line })
    }
    if (node.type === "CallExpression" && isNode(node["callee"])) {
      if (node["callee"].type === "Identifier") {
        facts.calls.push({ name: nameOf(node["callee"]), line })
      }
    }
    if (node.type === "NewExpression" && (node["arguments"] as []).length === 0) {
      facts.calls.push({ name: `new ${nameOf(node["callee"])}`, line })
    }
    if (FUNCTIONS.has(node.type) && isNode(node["body"])) {
      const lines = ownLines(node, lineAt)
      facts.functions.push({ name: nameOf(node["id"]), line, lines, nesting: nestingOf(node) })
    }
    if (/^Export(Named|Default)Declaration$/.test(node.type) && isNode(node["declaration"])) {
      facts.exported.push(...exportedOf(node["declaration"]))
    }
  })
  const { exported, ...rest } = facts
  return {
    ...rest,
    path,
    text,
    lines: text.split("\n").length - (text.endsWith("\n") ? 1 : 0),
    exportedNames: exported.map((e) => e.name),
    untypedExports: exported
      .filter((e) => !e.typed)
      .map((e) => ({ name: e.name, line: lineAt(e.node.start) })),
  }
}
