// Keeps one control plane running until Ctrl-C: npm run cluster.
import { startControlPlane } from "./ControlPlane.ts"

const asked = new Promise<void>((resolve) => {
  process.once("SIGINT", resolve)
  process.once("SIGTERM", resolve)
})

const started = Date.now()
const plane = await startControlPlane()
process.stdout.write(
  `A Kubernetes control plane runs at ${plane.server} (ready after ${((Date.now() - started) / 1000).toFixed(1)} s).

  export KUBECONFIG=${plane.kubeconfig}
  ${plane.bin.kubectl} get namespaces

Contexts: admin (current), controller, nobody.${plane.auditLog === undefined ? "" : `\nAudit log: ${plane.auditLog}`}
Ctrl-C ends it.
`,
)
await asked
process.stdout.write("stopping…\n")
await plane.stop()
