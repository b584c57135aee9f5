// Picks a range of layers: two handles over a curve of what the vector is like at each layer.
// Does not know strengths. Arrows move a handle by a layer, with shift by five.

import { el, svg } from "./dom.js";
import { server } from "./store.js";

const CURVES = {
  effect: "effect of each layer alone",
  discriminability: "separation (d\u2032)",
  agreement: "agreement of the pairs",
  stability: "stability (split-half)",
  norm: "norm",
};
const HEIGHT = 100;

/** {node, show(text)}; onchange(text) gives "8-16", "12", or undefined for what is recommended. */
export function layerPicker({ name, vector, layers, onchange }) {
  const all = vector.layers;
  const last = all.length - 1;
  const ends = [0, 1].map((end) =>
    el("input", {
      type: "range", class: `handle ${end ? "upper" : "lower"}`, min: 0, max: last, step: 1,
      "aria-label": `${name}, ${end ? "last" : "first"} layer`,
    }));
  const chosen = svg("g", { class: "curve-chosen" });
  const curve = svg("svg", { class: "curve", viewBox: `0 0 ${Math.max(last, 1)} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const kinds = Object.keys(CURVES).filter((kind) => vector.per_layer[kind]?.some((value) => value !== null));
  const select = el("select", { "aria-label": `${name}, what the curve shows`, onchange: draw },
    kinds.map((kind) => el("option", { value: kind }, CURVES[kind])));
  const reset = el("button", { type: "button", class: "quiet small", "aria-label": `${name}, back to the recommended layers`, title: "Back to the recommended layers", onclick: recommend }, "Reset");
  const peak = el("span", {});
  const node = el("div", { class: "layers" },
    el("div", { class: "layers-head" }, kinds.length > 1 ? select : el("span", { class: "hint" }, CURVES[kinds[0]] ?? ""), reset),
    el("div", { class: "plot" }, el("div", { class: "plot-area" }, curve), ends),
    el("div", { class: "axis", "aria-hidden": "true" },
      el("span", {}, String(all[0])), peak, el("span", {}, String(all[last]))));
  let text = layers;

  function draw() {
    const values = vector.per_layer[select.value || kinds[0]] ?? all.map(() => null);
    const known = values.filter((value) => value !== null);
    const top = Math.max(...known, 1e-9);
    const bottom = Math.min(0, ...known);
    const y = (value) => HEIGHT - (HEIGHT * ((value ?? bottom) - bottom)) / (top - bottom || 1);
    const at = all.map((_, i) => i).filter((i) => values[i] !== null);
    const outline = at.map((i) => `${i},${y(values[i]).toFixed(2)}`).join(" ");
    const area = `${at[0] ?? 0},${HEIGHT} ${outline} ${at.at(-1) ?? last},${HEIGHT}`;
    const clip = `clip-${++clips}`;
    const runs = indexes(text).map((i) => svg("rect", { x: i - 0.5, y: 0, width: 1, height: HEIGHT }));
    chosen.replaceChildren(svg("polygon", { points: area, "clip-path": `url(#${clip})` }));
    curve.replaceChildren(
      svg("clipPath", { id: clip }, runs),
      svg("polygon", { class: "curve-area", points: area }),
      chosen,
      svg("polyline", { class: "curve-line", points: outline, "vector-effect": "non-scaling-stroke" }),
      ...recommendedMarks(),
    );
    const best = values.indexOf(Math.max(...known));
    peak.textContent = known.length ? `layer, peak at ${all[best]}` : "layer";
  }

  function recommendedMarks() {
    const found = (vector.recommended?.layers ?? []).map((layer) => all.indexOf(layer)).filter((i) => i >= 0);
    if (!found.length) return [];
    return [svg("line", { class: "curve-recommended", x1: found[0], x2: found.at(-1), y1: HEIGHT, y2: HEIGHT, "vector-effect": "non-scaling-stroke" })];
  }

  /** Which places of `all` a layer text means. */
  function indexes(range) {
    const wanted = layersOf(range, vector);
    return all.map((_, i) => i).filter((i) => wanted.has(all[i]));
  }

  function show(range) {
    text = range;
    const found = indexes(range);
    const bounds = [found[0] ?? 0, found.at(-1) ?? last];
    ends.forEach((end, i) => {
      end.value = bounds[i];
      end.setAttribute("aria-valuetext", `layer ${all[bounds[i]]}`);
    });
    node.style.setProperty("--first", last ? bounds[0] / last : 0);
    node.style.setProperty("--last", last ? bounds[1] / last : 1);
    reset.hidden = isRecommended(range);
    draw();
  }

  function recommend() {
    show(undefined);
    onchange(undefined);
    ends[0].focus();
  }

  function moved(which, to) {
    const bounds = ends.map((end) => end.valueAsNumber);
    bounds[which] = Math.min(last, Math.max(0, to));
    if (which === 0) bounds[0] = Math.min(bounds[0], bounds[1]);
    else bounds[1] = Math.max(bounds[0], bounds[1]);
    const [a, b] = bounds.map((i) => all[i]);
    const range = a === b ? String(a) : `${a}-${b}`;
    const next = range === vector.recommended?.text ? undefined : range;
    show(next ?? undefined);
    onchange(next);
  }

  ends.forEach((end, i) => {
    end.addEventListener("input", () => moved(i, end.valueAsNumber));
    end.addEventListener("keydown", (event) => {
      const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!direction || !event.shiftKey) return;
      event.preventDefault();
      moved(i, end.valueAsNumber + 5 * direction);
    });
  });
  show(layers);
  return { node, show };
}

let clips = 0;

const isRecommended = (text) => !text || text === "recommended";

/** "10-24, recommended" and the like. */
export function layersLabel(text, vector) {
  if (!isRecommended(text)) return text.replaceAll("-", "\u2013");
  const found = vector?.recommended?.text ?? vector?.range ?? "";
  return `${found.replaceAll("-", "\u2013")}, recommended`;
}

/** The layers that a text of the steering grammar means, as a set; near enough for a picture. */
function layersOf(text, vector) {
  if (text === "all") return new Set(vector.layers);
  if (isRecommended(text)) return new Set(vector.recommended?.layers ?? vector.layers);
  const found = new Set();
  for (const part of text.split(",")) {
    const [from, to = from] = part.split("-").map(layerNumber);
    for (let layer = from; layer <= to; layer++) found.add(layer);
  }
  return found;
}

function layerNumber(word) {
  const n = server.status?.model.n_layer ?? 1;
  return word.endsWith("%") ? Math.round((parseFloat(word) / 100) * n) : Number(word);
}
