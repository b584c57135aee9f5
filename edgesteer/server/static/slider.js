// A vector's slider: 0 in the middle, the calibrated band tinted, poles at the ends, a number box.
// Does not know layers. Arrows go by 0.05, with shift by 0.5; 0, Delete or a double click reset it.

import { el, number, signed } from "./dom.js";

const STEP = 0.05;
const BIG = 0.5;

/** {node, box, show(strength)}; onchange(strength) is called as it moves. */
export function slider({ name, vector, strength, warningId, onchange }) {
  const band = vector?.band ?? null;
  const poles = { positive: vector?.positive || `more ${name}`, negative: vector?.negative || `less ${name}` };
  let limit = Math.max(2, band ? Math.ceil(1.5 * Math.max(Math.abs(band.low), Math.abs(band.high)) * 2) / 2 : 2);
  let now = strength;

  const range = el("input", {
    type: "range", class: "dial-input", step: STEP, "aria-label": `${name}, strength`, "aria-describedby": warningId,
  });
  const box = el("input", {
    type: "number", class: "dial-box", step: STEP, "aria-label": `${name}, strength as a number`, inputmode: "decimal",
  });
  const bandMark = el("span", { class: "dial-band" });
  const fillMark = el("span", { class: "dial-fill" });
  const scale = el("span", { class: "dial-scale", "aria-hidden": "true" },
    el("span", { class: "dial-line" }), band && bandMark, fillMark, el("span", { class: "dial-zero" }));
  const node = el("div", { class: "dial" },
    el("div", { class: "dial-track" }, scale, range),
    el("div", { class: "dial-poles", "aria-hidden": "true" },
      el("span", { class: "negative" }, poles.negative), el("span", { class: "positive" }, poles.positive)));

  function set(value) {
    const next = Math.round(value / STEP) * STEP;
    move(Math.min(limit, Math.max(-limit, next)));
  }

  function move(value) {
    const next = Number(number(value, 4));
    if (next === now) return;
    show(next);
    onchange(next);
  }

  function show(value) {
    now = value;
    if (Math.abs(value) > limit) limit = Math.ceil(Math.abs(value) * 2) / 2;
    range.min = -limit;
    range.max = limit;
    range.value = value;
    if (document.activeElement !== box) box.value = number(value);
    const outside = isOutside(vector, value);
    node.classList.toggle("outside", outside);
    node.classList.toggle("towards-negative", value < 0);
    place(fillMark, Math.min(0, value), Math.max(0, value));
    if (band) place(bandMark, band.low, band.high);
    const pole = value > 0 ? `, towards ${poles.positive}` : value < 0 ? `, towards ${poles.negative}` : ", off";
    range.setAttribute("aria-valuetext", `${signed(value)}${pole}${outside ? ", outside the calibrated band" : ""}`);
  }

  function place(mark, from, to) {
    const at = (value) => Math.min(1, Math.max(0, (value + limit) / (2 * limit)));
    mark.style.setProperty("--from", at(from));
    mark.style.setProperty("--to", at(to));
  }

  range.addEventListener("input", () => move(range.valueAsNumber));
  range.addEventListener("dblclick", () => move(0));
  range.addEventListener("keydown", (event) => {
    const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const wanted = direction && event.shiftKey ? now + direction * BIG : "0 Delete Backspace".split(" ").includes(event.key) ? 0 : null;
    if (wanted === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    set(wanted);
  });
  box.addEventListener("input", () => {
    if (Number.isFinite(box.valueAsNumber)) move(box.valueAsNumber);
  });
  box.addEventListener("focus", () => box.select());
  box.addEventListener("blur", () => {
    box.value = number(now);
  });
  show(strength);
  return { node, box, show };
}

export function isOutside(vector, strength) {
  const band = vector?.band;
  return Boolean(band) && (strength < band.low || strength > band.high);
}
