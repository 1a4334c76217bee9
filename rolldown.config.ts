// dist/nopea.js, the one executable, and dist/thread.js, the entry of its render threads.
import { chmodSync } from "node:fs"
import { defineConfig } from "rolldown"

const executable = {
  name: "executable",
  writeBundle: (): void => chmodSync("dist/nopea.js", 0o755),
}

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
    sourcemap: true,
    sourcemapExcludeSources: true,
  },
  plugins: [executable],
})
