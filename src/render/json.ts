/** Why a text is not JSON, and where. The engine's messages quote the file, so only their fixed words are used. */

/** The engine's message; `undefined`: it is JSON. */
const complaint = (text: string): string | undefined => {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return error instanceof SyntaxError ? error.message : "nested too deeply"
  }
}

/** V8 names no position for an unexpected token: it stands where the text's prefixes begin to fail with it. */
const tokenOffset = (text: string): number => {
  let low = 0
  let high = text.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (complaint(text.slice(0, middle + 1))?.startsWith("Unexpected token")) high = middle
    else low = middle + 1
  }
  return low
}

/** What keeps a text from being JSON. */
export const jsonFlaw = (text: string): { reason: string; offset: number } | undefined => {
  const message = complaint(text)
  if (message === undefined) return undefined
  if (message.startsWith("Unexpected token")) {
    return { reason: "unexpected token", offset: tokenOffset(text) }
  }
  const position = / JSON at position (\d+)/u.exec(message)?.[1]
  const reason = message.replace(/ (?:in|after) JSON.*$/su, "").toLowerCase()
  return { reason, offset: Math.min(Number(position ?? text.length), text.trimEnd().length) }
}
