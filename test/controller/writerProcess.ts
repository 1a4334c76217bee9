// A process with a real Leader whose work writes as often as it may. Arguments: kubeconfig, namespace, identity.
import { Effect, Layer } from "effect"
import { Leader, layer } from "../../src/controller/Leader.ts"
import { Kube, type ResourceType } from "../../src/kube/Kube.ts"
import { layer as kubeLayer } from "../../src/kube/KubeHttp.ts"

const [kubeconfig = "", namespace = "", identity = ""] = process.argv.slice(2)

const CONFIG_MAPS: ResourceType = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  resource: "configmaps",
  namespaced: true,
  verbs: ["create"],
}

let written = 0
const write = Effect.gen(function* () {
  const kube = yield* Kube
  const { mayWrite } = yield* Leader
  const metadata = { name: `${identity}-${++written}`, namespace }
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata }
  const create = kube.create({ budget: "work" }, CONFIG_MAPS, namespace, body)
  if (mayWrite())
    yield* Effect.catch(create, (error) => Effect.logWarning(`not written: ${error.message}`))
  yield* Effect.sleep(20)
})

const leader = layer({ namespace, identity, timing: { lease: 3_000, renew: 2_000, retry: 200 } })

process.stdout.write(`pid ${process.pid}\n`)
await Effect.runPromise(
  Effect.flatMap(Leader, ({ whileLeading }) => whileLeading(Effect.forever(write))).pipe(
    Effect.provide(leader.pipe(Layer.provideMerge(kubeLayer({ kubeconfig })))),
  ),
)
