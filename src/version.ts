/** The version of this build, as `--version` and the user agent say it. */
export const VERSION = "0.1.0"
