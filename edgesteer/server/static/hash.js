// The page's state in its address: what is not as usual is written after the #, and read back.
// Does not know how it is shown. The steering stands there as text of the steering grammar, which
// only the server reads.

import { DEFAULTS, state } from "./store.js";
import { termsText } from "./grammar.js";

const TEXTS = {
  system: "system", seed: "seed", temperature: "temperature", max_tokens: "max", watch: "shade", draft: "prompt",
  top_k: "top_k", top_p: "top_p", min_p: "min_p", repeat_penalty: "repeat_penalty",
};
const FLAGS = { on: "on", compare: "compare", again: "again" };

/** Write it; the address changes in place, without an entry in the history. */
export function write() {
  const words = new URLSearchParams();
  const steer = termsText(state.terms);
  if (steer) words.set("steer", steer);
  for (const [key, word] of Object.entries(TEXTS)) {
    if (state[key] !== DEFAULTS[key]) words.set(word, state[key]);
  }
  for (const [key, word] of Object.entries(FLAGS)) {
    if (state[key] !== DEFAULTS[key]) words.set(word, state[key] ? "1" : "0");
  }
  const text = readable(words.toString());
  if (text !== location.hash.slice(1)) {
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }
}

/** {steer: text or null, keys: the rest of the state}. */
export function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  const keys = {};
  for (const [key, word] of Object.entries(TEXTS)) keys[key] = words.get(word) ?? DEFAULTS[key];
  for (const [key, word] of Object.entries(FLAGS)) {
    keys[key] = words.has(word) ? words.get(word) === "1" : DEFAULTS[key];
  }
  return { steer: words.get("steer"), keys };
}

/** "steer=calm=1.2@8-16" is as good as "steer=calm%3D1.2%408-16", and can be read. */
const readable = (text) => text.replaceAll("%3D", "=").replaceAll("%40", "@").replaceAll("%3F", "?").replaceAll("%3A", ":");
