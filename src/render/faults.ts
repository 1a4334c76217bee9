/** What may be wrong with a path that a kustomization names: code, reason, fix. */

/** Kustomizations inside one another. */
export const MAX_HEIGHT = 30

export type Why = readonly [code: string, reason: string, fix: string]

export const FAULTS = {
  remote: [
    "NOPEA-R029",
    "is remote, or may be taken for it: nothing is fetched while rendering",
    "commit what it names, and name the copy; a file whose name has a : or ? in it needs another name",
  ],
  absolute: ["NOPEA-R030", "is an absolute path", "write it relative to the kustomization"],
  outside: ["NOPEA-R030", "leaves the repository", "move what it names into the repository"],
  unclear: ["NOPEA-R028", "is no path", "write a relative path with /, without control characters"],
  link: ["NOPEA-R031", "is or passes a symbolic link", "name what the link points to"],
  submodule: [
    "NOPEA-R031",
    "lies in a submodule, which is not fetched",
    "commit the files themselves",
  ],
  missing: ["NOPEA-R031", "is not in the repository", "correct the path, or commit the file"],
  folder: ["NOPEA-R031", "is a folder, and a file is needed", "name the file"],
  file: ["NOPEA-R031", "is a file, and a folder with a kustomization is needed", "name the folder"],
  plain: [
    "NOPEA-R031",
    "is a folder without a kustomization",
    "add a kustomization.yaml to it, or name its files one by one",
  ],
  cycle: ["NOPEA-R033", "leads back to itself", "take this entry out"],
  deep: ["NOPEA-R033", `is more than ${MAX_HEIGHT} kustomizations deep`, "flatten them"],
} as const satisfies Record<string, Why>
