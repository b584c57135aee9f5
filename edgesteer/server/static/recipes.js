// Recipes: the sliders and settings saved under a name, loaded, deleted.

import { ask } from "./api.js";
import { byId, el } from "./dom.js";
import { SETTINGS, sampling } from "./fields.js";
import { termsText } from "./grammar.js";
import { putText } from "./live.js";
import { clear, fail, say } from "./notices.js";
import { change, setTerms, state, tell } from "./store.js";

const list = el("ul", { class: "recipes" });
const name = el("input", { type: "text", id: "recipe-name", placeholder: "calm-nurse", autocomplete: "off", maxlength: 100, required: true });
const save = el("button", { type: "submit", class: "primary small" }, "Save");
let known = [];

export function recipes() {
  const form = el("form", { class: "recipe-form" }, el("label", { for: "recipe-name" }, "Save the sliders and settings as"),
    el("div", { class: "recipe-line" }, name, save));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    store();
  });
  name.addEventListener("input", () => named(name.value.trim()));
  byId("recipes").append(list, form);
}

export async function loadRecipes() {
  try {
    known = (await ask("GET", "/api/recipes")).recipes;
    draw();
  } catch (error) {
    fail(error, "recipes");
  }
}

function named(text) {
  save.textContent = known.some((recipe) => recipe.name === text) ? "Replace" : "Save";
}

function draw() {
  byId("recipes-note").textContent = known.length ? String(known.length) : "none yet";
  list.replaceChildren(...known.map(row));
  named(name.value.trim());
}

function row(recipe) {
  const remove = el("button", { type: "button", class: "quiet small", "aria-label": `Delete ${recipe.name}`, onclick: () => confirmed(remove, recipe) }, "Delete");
  remove.addEventListener("blur", () => {
    remove.textContent = "Delete";
  });
  return el("li", { "data-recipe": recipe.name },
    el("div", { class: "recipe-text" }, el("strong", {}, recipe.name),
      el("span", { class: recipe.fits ? "hint" : "warning" }, recipe.fits ? recipe.steering || "nothing steers" : recipe.problem)),
    recipe.fits && el("button", { type: "button", class: "quiet small", "aria-label": `Load ${recipe.name}`, onclick: () => load(recipe) }, "Load"),
    remove);
}

async function store() {
  const text = name.value.trim();
  if (!text) return;
  const body = { steering: termsText(state.terms), sampling: sampling(), replace: save.textContent === "Replace" };
  if (state.system) body.system = state.system;
  await attempt(async () => {
    await ask("PUT", `/api/recipes/${encodeURIComponent(text)}`, body);
    name.value = "";
    say(`Saved ${text}`);
  });
}

async function load(recipe) {
  await attempt(async () => {
    setTerms(await putText(recipe.steering), { send: false });
    const settings = Object.fromEntries(SETTINGS.map((key) => [key, String(recipe.sampling[key] ?? "")]));
    change({ on: true, system: recipe.system ?? "", ...settings });
    tell("restored");
    say(`Loaded ${recipe.name}`);
  });
}

async function confirmed(button, recipe) {
  if (button.textContent === "Delete") {
    button.textContent = "Really delete";
    return;
  }
  await attempt(async () => {
    await ask("DELETE", `/api/recipes/${encodeURIComponent(recipe.name)}`);
    say(`Deleted ${recipe.name}`);
    name.focus();
  });
}

async function attempt(action) {
  try {
    await action();
    clear("recipes");
    await loadRecipes();
  } catch (error) {
    fail(error, "recipes");
  }
}
