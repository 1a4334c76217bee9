/** The branch head after a push: a server that does not show the pushed commit yet is asked again, briefly. */
import { Duration, Effect } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { Commit } from "../domain/source.ts"
import type { Git } from "../git/Git.ts"
import type { Journey } from "./journey.ts"

/** Milliseconds before each further question; replicas of a server lag for about so long. */
const WAITS = [250, 500, 1000, 1000] as const
/** Questions where the head is new to us, though another: most likely the push was overtaken. */
const OVERTAKEN = 2

/** The hint is only compared: what the server calls the head is fetched, and nothing else. */
export const syncPushed = Effect.fn("Sync.pushed")(function* (
  git: Git["Service"],
  { source, repository, before, request }: Journey,
): Effect.fn.Return<Commit, GitError> {
  const { path } = repository.spec
  const pushed = request.trigger.commit
  const head = yield* git.sync(source, path)
  if (pushed === undefined || head.sha === pushed) return head
  const isNews = head.sha !== (before?.rollback?.from ?? before?.commit.sha)
  for (const wait of isNews ? WAITS.slice(0, OVERTAKEN) : WAITS) {
    yield* Effect.sleep(wait)
    const remote = yield* git.lsRemote(source, Duration.zero)
    if (remote !== head.sha) return yield* git.sync(source, path)
  }
  return head
})
