/** What a command says when it fails, and the exit code that scripts see. */
import type { ConfigError, KubeError } from "../domain/errors.ts"
import { GROUP, KIND, VERSION } from "../domain/repository.ts"

/** Exit codes. 1 and 2 mean the same as with `kubectl diff`. */
export const EXIT = {
  /** The sync failed, the folder has errors, there are differences. */
  no: 1,
  /** A wrong flag, setting or kubeconfig, or anything that has no number of its own. */
  usage: 2,
  notFound: 3,
  refused: 4,
  unreachable: 5,
  late: 6,
} as const

export interface Told {
  readonly message: string
  readonly fix?: string
  /** Default 1. */
  readonly exit?: number
}

const BY_CODE: Readonly<Record<string, number>> = {
  "NOPEA-A001": EXIT.refused,
  "NOPEA-A002": EXIT.refused,
  "NOPEA-A003": EXIT.notFound,
  "NOPEA-A013": EXIT.notFound,
  "NOPEA-A015": EXIT.notFound,
  "NOPEA-A017": EXIT.unreachable,
  "NOPEA-A018": EXIT.unreachable,
  "NOPEA-A019": EXIT.unreachable,
  "NOPEA-A020": EXIT.unreachable,
  "NOPEA-A023": EXIT.unreachable,
  "NOPEA-A027": EXIT.refused,
  "NOPEA-C030": EXIT.refused,
}

/** Hints that only make sense to who sits at a terminal. */
const FIXES: Readonly<Record<string, string>> = {
  "NOPEA-A001": "log in again, or choose another user or context of the kubeconfig",
  "NOPEA-A018":
    "check that the cluster runs, and the server that the kubeconfig names (kubectl cluster-info)",
  "NOPEA-A015": `install the definition: nopea crd | kubectl apply --server-side -f -`,
}

export const toldOf = (error: KubeError | ConfigError): Told => ({
  message: error.message,
  fix: FIXES[error.code] ?? error.fix,
  exit: BY_CODE[error.code] ?? EXIT.usage,
})

/** The kind is not served: NOPEA is not installed, or in a version that speaks differently. */
export const notInstalled = (server: string, served: ReadonlyArray<string>): Told =>
  served.length === 0
    ? {
        message: `NOPEA is not installed at ${server}: it does not know ${KIND}`,
        fix: "choose another cluster (--context), or install NOPEA (make deploy; the definition alone: nopea crd | kubectl apply --server-side -f -)",
        exit: EXIT.notFound,
      }
    : {
        message: `the cluster at ${server} serves ${KIND} in ${served.join(", ")}, and this command speaks ${GROUP}/${VERSION}`,
        fix: "use the nopea of that version, or update the definition: nopea crd | kubectl apply --server-side --force-conflicts -f -",
        exit: EXIT.notFound,
      }

export interface Missing {
  readonly name: string
  readonly namespace: string
  readonly near: ReadonlyArray<string>
  /** Namespaces that have one of this name. */
  readonly elsewhere: ReadonlyArray<string>
}

export const noRepository = ({ name, namespace, near, elsewhere }: Missing): Told => ({
  message: `there is no ${KIND} ${name} in namespace ${namespace}`,
  fix:
    elsewhere.length > 0
      ? `it is in another namespace: ${elsewhere.map((one) => `-n ${one}`).join(", ")}`
      : near.length > 0
        ? `did you mean ${near.join(", or ")}?`
        : "nopea get -A lists all of them",
  exit: EXIT.notFound,
})

/** A failure as text for stderr. */
export const failureLines = ({ message, fix }: Told): string =>
  fix === undefined ? message : `${message}\n  fix: ${fix}`
