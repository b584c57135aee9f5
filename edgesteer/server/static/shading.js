// Shades an answer's tokens by a read-out: where the colours lie on the scale, and the legend.
// Does not know the page's layout. A fitted read-out has its own zero and unit; a raw one is
// centred on the mean of the plain answer, and only comparable within one turn.

import { el, number, signed } from "./dom.js";
import { vectorOf } from "./store.js";

export const LEVELS = 4; // shades on either side of the middle

/** {centre, span, fitted} of the readings of a turn's sides, or null when there are none. */
export function scaleOf(name, plain, steered) {
  const values = [...plain, ...steered].map((reading) => reading.values[name]).filter(Number.isFinite);
  if (!values.length) return null;
  if (vectorOf(name.split("@")[0])?.has_readout) return { centre: 0, span: 2, fitted: true };
  const base = plain.map((reading) => reading.values[name]).filter(Number.isFinite);
  const centre = mean(base.length ? base : values);
  const distances = values.map((value) => Math.abs(value - centre)).sort((a, b) => a - b);
  const span = distances[Math.floor(0.95 * (distances.length - 1))] || 1;
  return { centre, span, fitted: false };
}

/** -LEVELS to LEVELS. */
export function level(value, { centre, span }) {
  const share = (value - centre) / span;
  return Math.max(-LEVELS, Math.min(LEVELS, Math.round(share * LEVELS))) || 0;
}

/** The class of a level: "shade-n3", "shade-0", "shade-p1". */
export const shadeClass = (n) => `shade-${n < 0 ? "n" : n > 0 ? "p" : ""}${Math.abs(n)}`;

export function legend(name, scale) {
  const vector = vectorOf(name.split("@")[0]);
  const steps = Array.from({ length: 2 * LEVELS + 1 }, (_, i) => el("span", { class: `swatch ${shadeClass(i - LEVELS)}` }));
  const ends = [scale.centre - scale.span, scale.centre + scale.span].map((value) => number(value, scale.fitted ? 1 : 0));
  const middle = scale.fitted ? "0" : `${number(scale.centre, 0)}, mean of plain`;
  return el("div", { class: "legend" },
    el("span", { class: "legend-name" }, `Read-out of ${name}`),
    el("span", { class: "legend-end" }, `${vector?.negative || "less"} ${ends[0]}`),
    el("span", { class: "legend-scale", role: "img", "aria-label": `Colours from ${ends[0]} by ${middle} to ${ends[1]}` }, steps),
    el("span", { class: "legend-end" }, `${ends[1]} ${vector?.positive || "more"}`),
    el("span", { class: "hint" }, scale.fitted ? "fitted scale" : `raw scale, middle: ${middle}`));
}

/** "mean read-out +0.42", or "". */
export function meanText(name, readings, scale) {
  const values = readings.map((reading) => reading.values[name]).filter(Number.isFinite);
  return values.length ? `mean read-out ${signed(mean(values), scale?.fitted ? 2 : 1)}` : "";
}

/** The answer's text in parts, each with the reading of its token or null. */
export function parts(text, readings) {
  const found = [];
  let at = 0;
  for (const reading of readings) {
    const token = reading.text;
    if (!token) continue;
    if (text.startsWith(token, at)) {
      found.push({ text: token, reading });
      at += token.length;
    } else if (at === 0 && text.startsWith(token.trimStart())) {
      found.push({ text: token.trimStart(), reading }); // an answer begins without its blank
      at = token.trimStart().length;
    }
  }
  if (at < text.length) found.push({ text: text.slice(at), reading: null });
  return found;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
