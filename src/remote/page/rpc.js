// Calls to the daemon: Transmission's JSON, with the handshake that shows that this page is the daemon's own.

const ADDRESS = "../rpc";
const PATIENCE_MS = 20_000;

let sessionId = "";

/** The daemon said no; the message is its reason. */
export class Refused extends Error {}

/** The daemon did not answer, or something on the way did. */
export class Unreachable extends Error {}

/** The arguments of the daemon's answer. */
export async function call(method, args = {}, patience = PATIENCE_MS) {
  const body = JSON.stringify({ method, arguments: args });
  for (let tries = 0; tries < 3; tries += 1) {
    const reply = await post(body, patience);
    if (reply.status !== 409) return read(reply);
    sessionId = reply.headers.get("X-Transmission-Session-Id") ?? "";
  }
  throw new Unreachable("The daemon does not accept this page. Reload it.");
}

/** Changes when the daemon was started anew. */
export function session() {
  return sessionId;
}

async function post(body, patience) {
  try {
    return await fetch(ADDRESS, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Transmission-Session-Id": sessionId },
      body,
      cache: "no-store",
      signal: AbortSignal.timeout(patience),
    });
  } catch (why) {
    throw new Unreachable(why.name === "TimeoutError" ? "The daemon takes too long to answer." : "The daemon does not answer.");
  }
}

async function read(reply) {
  if (reply.status === 401) throw new Unreachable("The password is wanted again. Reload the page.");
  if (!reply.ok) throw new Unreachable((await reply.text()).trim() || `The daemon answered ${reply.status}.`);
  let answer;
  try {
    answer = await reply.json();
  } catch {
    throw new Unreachable("The answer is not the daemon's: something is in between.");
  }
  if (answer.result !== "success") throw new Refused(said(answer.result));
  return answer.arguments;
}

/** A reason as a sentence. */
function said(reason) {
  const text = String(reason || "no reason was given").replace(/^gotMetadataFromURL: /, "the link leads nowhere: ");
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
