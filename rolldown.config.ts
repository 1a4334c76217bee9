// dist/nopea.js, the one executable, and dist/thread.js, the entry of its render threads.
import { chmodSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { defineConfig, type Plugin } from "rolldown"

const executable: Plugin = {
  name: "executable",
  writeBundle: ({ dir = "dist" }) => chmodSync(join(dir, "nopea.js"), 0o755),
}

const packageOf = (moduleId: string): ReadonlyArray<string> =>
  /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(moduleId) ?? []

const notice = (folder: string): string => {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
  const texts = globSync("{LICENSE,LICENCE,NOTICE,license}*", { cwd: folder }).sort()
  const text = texts.map((file) => readFileSync(join(folder, file), "utf8").trim()).join("\n\n")
  return `${name} ${version} (${license})\n\n${text}\n`
}

/** The licences of what is bundled travel with the bundle. */
const notices: Plugin = {
  name: "notices",
  generateBundle(_options, bundle) {
    const modules = Object.values(bundle).flatMap((o) => (o.type === "chunk" ? o.moduleIds : []))
    const folders = [...new Set(modules.flatMap(packageOf))].sort()
    const source = folders.map(notice).join(`\n${"=".repeat(80)}\n\n`)
    this.emitFile({ type: "asset", fileName: "THIRD-PARTY.txt", source })
  },
}

/** An older Node would fail somewhere inside, with a message that names nothing. */
const nodeGuard = `if (Number(process.versions.node.split(".")[0]) < 26) {
	process.stderr.write("nopea needs Node 26 or newer, this is " + process.version + "\\n");
	process.exit(1);
}`

export default defineConfig({
  input: { nopea: "src/main.ts", thread: "src/render/thread.ts" },
  platform: "node",
  // A module that cannot be found must not become an import that fails at run time.
  onLog: (level, log, next) =>
    log.code === "UNRESOLVED_IMPORT" ? next("error", log) : next(level, log),
  output: {
    dir: "dist",
    cleanDir: true,
    format: "esm",
    entryFileNames: "[name].js",
    // Flat, because the thread's entry is found beside the file that starts it.
    chunkFileNames: "chunk-[name]-[hash].js",
    banner: ({ name }) => (name === "nopea" ? nodeGuard : ""),
    comments: { legal: true, annotation: false, jsdoc: false },
    sourcemap: true,
    sourcemapExcludeSources: true,
  },
  plugins: [executable, notices],
})
