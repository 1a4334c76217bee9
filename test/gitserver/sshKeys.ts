// SSH keys as ssh-keygen makes them.
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface SshKey {
  readonly private: string
  /** Type, key and comment. */
  readonly public: string
}

export interface SshKeyOptions {
  readonly type?: "ed25519" | "rsa" | "ecdsa"
  readonly passphrase?: string
  /** PEM instead of OpenSSH's own form. */
  readonly pem?: boolean
}

/** A fresh key pair. */
export const sshKey = (options: SshKeyOptions = {}): SshKey => {
  const { type = "ed25519", passphrase = "", pem = false } = options
  const folder = mkdtempSync(join(tmpdir(), "nopea-ssh-key-"))
  try {
    const file = join(folder, "key")
    const form = pem ? ["-m", "PEM"] : []
    execFileSync("ssh-keygen", [
      "-q",
      "-t",
      type,
      "-N",
      passphrase,
      "-C",
      "test",
      ...form,
      "-f",
      file,
    ])
    return {
      private: readFileSync(file, "utf8"),
      public: readFileSync(`${file}.pub`, "utf8").trim(),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
