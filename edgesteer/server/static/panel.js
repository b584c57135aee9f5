// The steering panel: the cards, the vectors that can be added, the master switch.
// Does not know how the steering reaches the server.

import { card } from "./card.js";
import { copyButton } from "./copy.js";
import { byId, el, icon } from "./dom.js";
import { change, on, server, setTerms, state, tell } from "./store.js";

const MANY = 12; // vectors beyond which a filter helps
let shown = [];

export function panel({ look }) {
  on("cards", drawCards);
  on("cards", () => drawAdd(look));
  on("vectors", drawCards);
  on("vectors", () => drawAdd(look));
  on("steering", drawWarnings);
  on("on", drawMaster);
  byId("master").addEventListener("change", (event) => {
    change({ on: event.target.checked });
    tell("terms");
  });
  const wide = matchMedia("(min-width: 821px)"); // as in steering.css: there is room, nothing folds
  const foldable = () => {
    byId("fold").disabled = wide.matches;
  };
  wide.addEventListener("change", foldable);
  foldable();
  byId("fold").addEventListener("click", () => {
    const open = byId("panel").classList.toggle("folded") === false;
    byId("fold").setAttribute("aria-expanded", String(open));
  });
}

function drawMaster() {
  byId("master").checked = state.on;
  byId("master").setAttribute("aria-label", "Steering");
  byId("master-text").textContent = state.on ? "On" : "Off";
  byId("panel").classList.toggle("off", !state.on);
}

function drawCards() {
  shown = state.terms.map((term) => card(term, { onremove: remove }));
  byId("cards").replaceChildren(...shown.map(({ node }) => node));
  drawWarnings();
  drawMaster();
}

function remove(term) {
  const place = state.terms.indexOf(term);
  setTerms(state.terms.filter((other) => other !== term));
  const next = shown[Math.min(place, shown.length - 1)];
  if (next) next.focus();
  else byId("add").querySelector("button")?.focus();
}

function add(name) {
  setTerms([...state.terms, { vector: name, strength: 0 }]);
  shown.at(-1).focus();
}

/** Each warning at the vector that it begins with, the others below. */
function drawWarnings() {
  const rest = new Set(server.steering?.warnings ?? []);
  for (const { term, warn } of shown) {
    const own = [...rest].filter((text) => text.startsWith(`${term.vector}=`) || text.startsWith(`${term.vector} `));
    const last = shown.findLast((other) => other.term.vector === term.vector).term === term;
    warn(last ? own : []); // with two terms of a vector the warning is about their sum
    if (last) own.forEach((text) => rest.delete(text));
  }
  byId("general-warning").textContent = [...rest].join(". ");
  byId("general-warning").hidden = rest.size === 0;
}

function drawAdd(look) {
  const used = new Set(state.terms.map((term) => term.vector));
  const fitting = server.vectors.filter((vector) => vector.fits);
  const free = fitting.filter((vector) => !used.has(vector.name));
  const misfits = server.vectors.filter((vector) => !vector.fits);
  byId("add").replaceChildren(
    ...(fitting.length ? chips(free) : [nothingYet(look)]),
    ...(misfits.length ? [misfitList(misfits)] : []),
  );
}

function chips(free) {
  if (!free.length) return [];
  const list = el("ul", { class: "chips", "aria-label": "Vectors to add" }, free.map((vector) =>
    el("li", { "data-name": vector.name },
      el("button", { type: "button", class: "chip", title: vector.description, "aria-label": `Add ${vector.name}`, onclick: () => add(vector.name) },
        icon("M10 5v10M5 10h10"), vector.name))));
  if (free.length <= MANY) return [list];
  const filter = el("input", { type: "search", class: "filter", placeholder: `Find among ${free.length} vectors`, "aria-label": "Find a vector to add" });
  filter.addEventListener("input", () => {
    for (const item of list.children) item.hidden = !item.dataset.name.toLowerCase().includes(filter.value.trim().toLowerCase());
  });
  return [filter, list];
}

function nothingYet(look) {
  const model = server.status?.model.name ?? "smollm2";
  const command = `edgesteer extract calm${model === "smollm2" ? "" : ` -m ${model}`}`; // the usual one
  return el("div", { class: "empty" },
    el("h3", {}, "No vectors yet"),
    el("p", {}, "Make one for this model, on this machine, from contrast pairs that come with edgesteer:"),
    el("div", { class: "command" }, el("code", {}, command), copyButton(() => command, "Copy the command")),
    el("button", { type: "button", class: "outlined small", onclick: look }, "Look again"));
}

function misfitList(misfits) {
  return el("details", { class: "misfits" },
    el("summary", {}, misfits.length === 1 ? "1 vector does not fit this model" : `${misfits.length} vectors do not fit this model`),
    el("ul", {}, misfits.map((vector) => el("li", {}, el("strong", {}, vector.name), ` ${vector.problem}`))));
}
