// Test certificates by openssl: an authority, and certificates signed by it.
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

export interface KeyPair {
  /** PEM texts. */
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

export interface Subject {
  /** File name of the pair, without extension. */
  readonly file: string
  readonly commonName: string
  /** Kubernetes reads a client certificate's organizations as the user's groups. */
  readonly organizations?: readonly string[]
  /** `DNS:localhost`, `IP:127.0.0.1`. */
  readonly names?: readonly string[]
  readonly usage: "serverAuth" | "clientAuth"
}

const openssl = (args: readonly string[]) =>
  run("openssl", [...args]).catch((cause) => {
    if (cause.code === "ENOENT")
      throw new Error('no "openssl" in PATH: install it to run these tests')
    throw cause
  })

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

const pair = async (folder: string, file: string): Promise<KeyPair> => {
  const [certFile, keyFile] = [join(folder, `${file}.crt`), join(folder, `${file}.key`)]
  const [cert, key] = await Promise.all([readFile(certFile, "utf8"), readFile(keyFile, "utf8")])
  return { cert, key, certFile, keyFile }
}

/** Makes `ca.crt` and `ca.key` in the folder. */
export const createAuthority = async (folder: string, name: string): Promise<KeyPair> => {
  const config = join(folder, "ca.cnf")
  await writeFile(
    config,
    `[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n[dn]\nCN=${name}\n[ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\nsubjectKeyIdentifier=hash\n`,
  )
  const [cert, key] = [join(folder, "ca.crt"), join(folder, "ca.key")]
  await openssl([
    "req",
    "-x509",
    ...newKey,
    "-config",
    config,
    "-days",
    "7",
    "-keyout",
    key,
    "-out",
    cert,
  ])
  return pair(folder, "ca")
}

/** A certificate signed by the authority in the same folder. */
export const issueCertificate = async (folder: string, subject: Subject): Promise<KeyPair> => {
  const path = (extension: string) => join(folder, `${subject.file}.${extension}`)
  const organizations = (subject.organizations ?? []).map((group, index) => `${index}.O=${group}\n`)
  await writeFile(
    path("cnf"),
    `[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n${organizations.join("")}CN=${subject.commonName}\n`,
  )
  const names = subject.names?.length ? `subjectAltName=${subject.names.join(",")}\n` : ""
  await writeFile(
    path("ext"),
    `basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=${subject.usage}\n${names}`,
  )
  await openssl([
    "req",
    ...newKey,
    "-config",
    path("cnf"),
    "-keyout",
    path("key"),
    "-out",
    path("csr"),
  ])
  const authority = ["-CA", join(folder, "ca.crt"), "-CAkey", join(folder, "ca.key")]
  const serial = ["-set_serial", `0x01${randomBytes(8).toString("hex")}`]
  const out = ["-days", "7", "-extfile", path("ext"), "-out", path("crt")]
  await openssl(["x509", "-req", "-in", path("csr"), ...authority, ...serial, ...out])
  return pair(folder, subject.file)
}
