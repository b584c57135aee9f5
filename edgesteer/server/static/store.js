// What the page shows, in one place: whoever changes it tells what, whoever shows it listens.
// Does not know the server nor the elements.

export const DEFAULTS = Object.freeze({
  on: true, // the master switch
  terms: [], // as the API's: {vector, strength, layers?, operation?, ...}
  system: "",
  seed: "1", // as typed; "" is another one each time
  temperature: "",
  max_tokens: "200",
  top_k: "", // these four have no field: a recipe or a link brings them
  top_p: "",
  min_p: "",
  repeat_penalty: "",
  compare: true,
  again: true, // answer the last question again when the steering changes
  watch: "", // the vector whose read-out shades the tokens
  draft: "", // what stands in the message box
});

export const state = structuredClone(DEFAULTS);

/** What the server said: not part of a link. */
export const server = { status: null, vectors: [], steering: null };

const listeners = new Map();

export function on(what, listener) {
  if (!listeners.has(what)) listeners.set(what, []);
  listeners.get(what).push(listener);
}

export function tell(what, detail) {
  for (const listener of listeners.get(what) ?? []) listener(detail);
}

/** Change some keys and tell each, then "state". */
export function change(keys) {
  Object.assign(state, keys);
  for (const key of Object.keys(keys)) tell(key);
  tell("state");
}

export const vectorOf = (name) => server.vectors.find((vector) => vector.name === name);

/** The terms that act now: a slider in the middle does nothing, and is not sent. */
export const acting = () => (state.on ? state.terms.filter((term) => term.strength !== 0) : []);

/** Change some keys of a term; undefined takes a key away. Its card stays as it is. */
export function edit(term, keys) {
  for (const [key, value] of Object.entries(keys)) {
    if (value === undefined) delete term[key];
    else term[key] = value;
  }
  tell("terms");
  tell("state");
}

/** Other cards than before. */
export function setTerms(terms, { send = true } = {}) {
  state.terms = terms;
  tell("cards");
  if (send) tell("terms");
  tell("state");
}
