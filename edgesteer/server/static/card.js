// One vector's card: its slider, its layers, what is doubtful about it, and a way to take it away.

import { el, icon } from "./dom.js";
import { options } from "./grammar.js";
import { layerPicker, layersLabel } from "./layers.js";
import { slider } from "./slider.js";
import { edit, vectorOf } from "./store.js";

let cards = 0;

/** {node, warn(texts), focus()} */
export function card(term, { onremove }) {
  const name = term.vector;
  const vector = vectorOf(name);
  const warningId = `warning-${++cards}`;
  const warning = el("p", { class: "warning", id: warningId, hidden: true });
  const dial = slider({ name, vector, strength: term.strength, warningId, onchange: (strength) => edit(term, { strength }) });
  const kind = [term.operation, options(term).replace("?", "")].filter((text) => text && text !== "add").join(" \u00b7 ");
  const node = el("li", { class: "card", "data-vector": name },
    el("div", { class: "card-head" },
      el("h3", { title: vector?.description || name }, name),
      kind && el("span", { class: "tag" }, kind),
      dial.box,
      el("button", { type: "button", class: "quiet square", "aria-label": `Remove ${name}`, title: "Remove", onclick: () => onremove(term) },
        icon("m6 6 8 8M14 6l-8 8"))),
    dial.node,
    warning,
    vector?.layers.length ? layersGroup(term, vector) : null);

  function warn(texts) {
    warning.textContent = texts.join(". ");
    warning.hidden = texts.length === 0;
  }

  return { node, warn, term, focus: () => node.querySelector(".dial-input").focus() };
}

function layersGroup(term, vector) {
  const label = el("span", { class: "layers-label" }, layersLabel(term.layers, vector));
  const group = el("details", { class: "card-layers" },
    el("summary", {}, "Layers ", label),
    vector.verdict && el("p", { class: "hint" }, `Pairs: ${vector.verdict}`));
  group.addEventListener("toggle", () => {
    if (!group.open || group.querySelector(".layers")) return;
    const picker = layerPicker({
      name: term.vector, vector, layers: term.layers,
      onchange: (layers) => {
        edit(term, { layers });
        label.textContent = layersLabel(layers, vector);
      },
    });
    group.querySelector("summary").after(picker.node);
  });
  return group;
}
