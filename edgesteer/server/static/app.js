// Starts the page: asks the server what there is, restores the state, puts the parts together.

import { ask } from "./api.js";
import { conversation } from "./conversation.js";
import { byId, el } from "./dom.js";
import { exporting } from "./export.js";
import { fields } from "./fields.js";
import { read, write } from "./hash.js";
import "./key.js";
import { push, putText } from "./live.js";
import { clear, fail } from "./notices.js";
import { panel } from "./panel.js";
import { loadRecipes, recipes } from "./recipes.js";
import { on, server, setTerms, state, tell } from "./store.js";

const FIRST = 4; // sliders that stand there when nothing steers yet
let writing = 0;

async function start() {
  panel({ look: lookAtVectors });
  fields();
  conversation();
  recipes();
  exporting();
  if (!matchMedia("(pointer: coarse)").matches) byId("prompt").focus(); // a phone would raise its keyboard
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address after # is the state's
    byId("prompt").focus();
  });
  try {
    server.status = await ask("GET", "/api/status");
    server.steering = server.status.steering;
    showModel();
    server.vectors = (await ask("GET", "/api/vectors")).vectors;
    tell("vectors");
    await restore({ atStart: true });
    await loadRecipes();
    clear("start");
  } catch (error) {
    fail(error, "start");
    return;
  }
  on("state", () => {
    clearTimeout(writing);
    writing = setTimeout(write, 200);
  });
  window.addEventListener("hashchange", () => restore({ atStart: false }));
  window.addEventListener("focus", catchUp);
  document.documentElement.dataset.ready = "true";
}

/** The state that the address holds; without one, what the server does now. */
async function restore({ atStart }) {
  const { steer, keys } = read();
  let terms = server.steering.terms;
  if (steer !== null && steer !== server.steering.text) {
    try {
      terms = await putText(steer);
      clear("steering");
    } catch (error) {
      fail(error, "steering");
    }
  }
  if (atStart && !terms.length) terms = zeros();
  Object.assign(state, keys);
  setTerms(terms.map((term) => ({ ...term })), { send: false });
  if (!keys.on) push();
  tell("steering");
  tell("restored");
}

/** The first vectors that fit, in the middle: something to turn. */
function zeros() {
  const fitting = server.vectors.filter((vector) => vector.fits).slice(0, FIRST);
  return fitting.map(({ name }) => ({ vector: name, strength: 0 }));
}

async function lookAtVectors() {
  try {
    server.vectors = (await ask("GET", "/api/vectors")).vectors;
    if (!state.terms.length) setTerms(zeros(), { send: false });
    tell("vectors");
    clear("vectors");
  } catch (error) {
    fail(error, "vectors");
  }
}

/** Another program may have steered since. */
async function catchUp() {
  const before = server.steering.version;
  try {
    const now = await ask("GET", "/api/steering");
    if (now.version === before || server.steering.version !== before) return;
    server.steering = now;
    const still = state.terms.filter((term) => term.strength === 0 && !now.terms.some((other) => other.vector === term.vector));
    if (now.terms.length || state.on) {
      state.on = true;
      setTerms([...now.terms, ...still], { send: false });
    }
    tell("steering");
    if (!server.vectors.some((vector) => vector.fits)) await lookAtVectors();
  } catch (error) {
    fail(error, "start");
  }
}

function showModel() {
  const { name, description, device } = server.status.model;
  byId("model").replaceChildren(el("span", { class: "model-name" }, name), el("span", { class: "model-facts" }, `${description} \u00b7 ${device}`));
  document.title = `${name} \u00b7 edgesteer`;
}

start();
