// Asks the server: JSON in, JSON out, an ApiError with its hint when it refuses, and the API key.
// Does not know what the answers mean.

const KEY = "edgesteer.key";

export class ApiError extends Error {
  constructor(status, body) {
    const found = body?.error ?? {};
    super(withoutHint(found.message ?? `the server answered ${status}`, found.hint));
    this.status = status;
    this.hint = found.hint ?? "";
    this.code = found.code ?? "";
    this.param = found.param ?? "";
  }
}

/** A refusal that came inside a stream. */
export const streamError = (body) => new ApiError(0, body);

/** Asked for the key when the server wants one; set by key.js. Resolves to the key, or to null. */
let askForKey = async () => null;
export const onKeyWanted = (ask) => {
  askForKey = ask;
};

let key = kept();
let asking = null; // one dialog, however many requests wait for it

export async function ask(method, path, body, signal) {
  const response = await send(method, path, body, signal);
  return response.json();
}

/** The response as it comes, once the server has said yes. */
export async function send(method, path, body, signal) {
  for (;;) {
    const used = key;
    const response = await reach(method, path, body, signal);
    if (response.ok) return response;
    const error = new ApiError(response.status, await response.json().catch(() => null));
    if (error.status !== 401) throw error;
    if (used !== key) continue; // another request has got a key meanwhile
    asking ??= askForKey(Boolean(used)).finally(() => {
      asking = null;
    });
    const given = await asking;
    if (!given) throw error;
    keep(given);
  }
}

async function reach(method, path, body, signal) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers.Authorization = `Bearer ${key}`;
  try {
    return await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const hint = "is it still running? start it again with: edgesteer serve";
    throw new ApiError(0, { error: { message: "the server can not be reached", hint, code: "unreachable" } });
  }
}

/** Messages end with their hint; the page shows it on a line of its own. */
function withoutHint(message, hint) {
  if (!hint || !message.endsWith(hint)) return message;
  return message.slice(0, -hint.length).replace(/[\s.]+$/, "");
}

function kept() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function keep(given) {
  key = given;
  try {
    sessionStorage.setItem(KEY, given);
  } catch {
    // it holds until the page is left
  }
}

export const hasKey = () => key !== "";
