const major = Number(process.versions.node.split(".")[0])
if (major < 26) {
  throw new Error(
    `Tests need Node 26 or newer, this is ${process.version}: run them with npm (npm test, npm run check) or npx -c '…'`,
  )
}
