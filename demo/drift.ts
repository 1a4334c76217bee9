// The scenes about drift: an edit, its author, the heal; and break-glass.
import type { Json } from "../test/cluster/Api.ts"
import type { Stage } from "./Stage.ts"
import { elapsed, object, say, show, showEvents, showImage, status, step } from "./telling.ts"

const SHOP = object("apps/v1", "Deployment", "shop")

const imageOf = (live: Json): string =>
  String(live?.spec.template.spec.containers[0].image).split(":")[1] ?? ""

const setImage = (stage: Stage, tag: string): Promise<string> =>
  stage.kubectl("set", "image", "deployment/shop", `shop=registry.example/shop:${tag}`)

const hasImage = (stage: Stage, tag: string): Promise<Json> =>
  stage.api.waitFor(SHOP, (live) => imageOf(live) === tag, { until: `runs ${tag}` })

const edit = async (stage: Stage): Promise<void> => {
  step("Somebody edits the live object: seen at once, named, healed")
  say("$ kubectl set image deployment/shop shop=registry.example/shop:hacked")
  const start = performance.now()
  await setImage(stage, "hacked")
  await hasImage(stage, "1.1")
  say(`Git's image is back ${elapsed(start)} after kubectl was started:`)
  await showImage(stage)
  await status(stage, "tells the heal", ({ history }) => history[0].healed === 1)
  await showEvents(stage, "shop", "Healed")
}

const breakGlass = async (stage: Stage): Promise<void> => {
  step("Break-glass: in an incident one object is nobody's but yours")
  const annotate = (...pairs: ReadonlyArray<string>) =>
    stage.kubectl("annotate", "deployment/shop", ...pairs)
  say(
    "$ kubectl annotate deployment/shop nopea.io/suspend-heal=true nopea.io/suspend-heal-reason=INC-42",
  )
  await annotate("nopea.io/suspend-heal=true", "nopea.io/suspend-heal-reason=INC-42")
  say("$ kubectl set image deployment/shop shop=registry.example/shop:1.0-hotfix")
  await setImage(stage, "1.0-hotfix")
  const held = await status(stage, "holds the change", ({ drift }) => drift?.length === 1)
  show(await stage.kubectl("get", "gitrepositories"))
  for (const { object: what, path, manager, action, reason } of held.drift)
    show(`${manager} changed ${path} of ${what}: ${action} (${reason})`)
  say("The hotfix stays, whatever Git says, until the annotation goes:")
  await showImage(stage)
  const start = performance.now()
  await annotate("nopea.io/suspend-heal-", "nopea.io/suspend-heal-reason-")
  await hasImage(stage, "1.1")
  say(`The annotation is removed, and Git's image is back ${elapsed(start)} later.`)
  await status(stage, "is Synced", ({ phase }) => phase === "Synced")
  await showEvents(stage, "shop", "HealSuspended", "HealResumed")
}

export const drift = async (stage: Stage): Promise<void> => {
  await edit(stage)
  await breakGlass(stage)
}
