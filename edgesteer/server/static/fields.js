// The answer's settings: system message, seed, temperature, longest answer; and the switches below.

import { byId, el, icon } from "./dom.js";
import { change, on, server, state } from "./store.js";

const NUMBERS = {
  seed: { label: "Seed", placeholder: "new each time", min: 0, max: 4294967295, step: 1 },
  temperature: { label: "Temperature", placeholder: "0.8", min: 0, max: 100, step: 0.1 },
  max_tokens: { label: "Max tokens", placeholder: "1024", min: 1, max: 2147483647, step: 1 },
};

const MORE = ["top_k", "top_p", "min_p", "repeat_penalty"]; // without a field: named when they act
export const SETTINGS = [...Object.keys(NUMBERS), ...MORE];

export function fields() {
  const system = el("textarea", { id: "system", rows: 2, placeholder: "None of its own" });
  system.addEventListener("input", () => change({ system: system.value }));
  const inputs = Object.entries(NUMBERS).map(([key, { label, ...props }]) => {
    const input = el("input", { type: "number", id: key, inputmode: "decimal", ...props });
    input.addEventListener("input", () => {
      const { badInput, rangeOverflow, rangeUnderflow } = input.validity;
      const wrong = badInput || rangeOverflow || rangeUnderflow;
      input.setAttribute("aria-invalid", String(wrong));
      if (!wrong) change({ [key]: input.value });
    });
    return el("div", { class: "field" }, el("label", { for: key }, label), input);
  });
  inputs[0].append(el("button", {
    type: "button", class: "quiet square", "aria-label": "Another seed", title: "Another seed",
    onclick: () => {
      change({ seed: String(Math.floor(Math.random() * 100000)) });
      draw();
    },
  }, icon("M4 4h12v12H4zM7.5 7.5h.01M12.5 7.5h.01M10 10h.01M7.5 12.5h.01M12.5 12.5h.01")));
  byId("fields").append(el("div", { class: "field full" }, el("label", { for: "system" }, "System message"), system),
    el("div", { class: "field-row" }, inputs), el("p", { class: "hint full", id: "more" }));

  for (const key of ["compare", "again"]) {
    byId(key).addEventListener("change", (event) => change({ [key]: event.target.checked }));
  }
  byId("watch").addEventListener("change", (event) => change({ watch: event.target.value }));
  on("restored", draw);
  on("vectors", drawWatch);
  on("compare", drawWatch);
  on("state", drawNote);
}

function draw() {
  byId("system").value = state.system;
  for (const key of Object.keys(NUMBERS)) byId(key).value = state[key];
  byId("compare").checked = state.compare;
  byId("again").checked = state.again;
  const defaults = server.status?.defaults ?? {};
  byId("system").placeholder = defaults.system ?? "None of its own";
  byId("temperature").placeholder = String(defaults.sampling?.temperature ?? 0.8);
  byId("max_tokens").placeholder = String(defaults.sampling?.max_tokens ?? server.status?.limits.max_tokens ?? 1024);
  drawWatch();
  drawMore();
  drawNote();
}

/** What acts without a field, and a way to be rid of it. */
function drawMore() {
  const acting = MORE.filter((key) => state[key] !== "");
  byId("more").hidden = !acting.length;
  byId("more").replaceChildren(`Also ${acting.map((key) => `${key} ${state[key]}`).join(", ")} `,
    el("button", { type: "button", class: "quiet small", "aria-label": `Drop ${acting.join(", ")}`, onclick: () => {
      change(Object.fromEntries(MORE.map((key) => [key, ""])));
      drawMore();
      byId("max_tokens").focus();
    } }, "Drop"));
}

function drawWatch() {
  const names = server.vectors.filter((vector) => vector.fits).map((vector) => vector.name);
  if (state.watch && !names.includes(state.watch)) names.push(state.watch);
  byId("watch").replaceChildren(el("option", { value: "" }, "nothing"),
    ...names.map((name) => el("option", { value: name }, name)));
  byId("watch").value = state.watch;
  byId("watch").disabled = !state.compare;
  byId("watch").title = state.compare ? "Shade each token by how much of this it reads" : "Side by side shows the read-outs";
}

function drawNote() {
  const words = [state.system && "system message", state.seed ? `seed ${state.seed}` : "no seed", state.temperature && `temperature ${state.temperature}`,
    ...MORE.map((key) => state[key] && `${key} ${state[key]}`)];
  byId("answer-note").textContent = words.filter(Boolean).join(", ");
}

/** The settings as a request has them; a seed is drawn when none is stated. */
export function sampling() {
  const found = {};
  for (const key of SETTINGS) if (state[key] !== "") found[key] = Number(state[key]);
  return found;
}
