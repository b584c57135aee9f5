// The conversation: turns one after another, sending, stopping, answering again when sliders move.
// Does not know how requests are made, nor how a turn is drawn.

import { askBoth, askSteered } from "./ask.js";
import { byId, el } from "./dom.js";
import { sampling } from "./fields.js";
import { termsText } from "./grammar.js";
import { settled } from "./live.js";
import { clear, fail, say } from "./notices.js";
import { acting, change, on, server, state } from "./store.js";
import { Turn } from "./turn.js";

const LULL = 500; // ms without a move of a slider, after which the last turn is answered again
const EXAMPLES = [
  "How was your day?",
  "My flight was cancelled. What now?",
  "Write two lines to a colleague who is late.",
];
const turns = [];
let running = null; // {turn, controller}
let lull = 0;

export function conversation() {
  const prompt = byId("prompt");
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  prompt.addEventListener("input", () => {
    change({ draft: prompt.value });
    fit(prompt);
  });
  byId("stop").addEventListener("click", () => stop());
  byId("clear").addEventListener("click", restart);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && running && !document.querySelector("dialog[open]")) stop();
  });
  on("restored", () => {
    prompt.value = state.draft;
    fit(prompt);
  });
  on("terms", moved);
  on("vectors", drawEmpty);
  showRunning();
}

/** The messages that led to a turn, the turn's own question last. */
export function messagesOf(last = turns.at(-1)) {
  const found = [];
  for (const turn of turns) {
    found.push({ role: "user", content: turn.prompt });
    if (turn === last) return found;
    if (turn.text) found.push({ role: "assistant", content: turn.text });
    else found.pop(); // it failed: nothing was said
  }
  return found;
}

async function submit() {
  const prompt = byId("prompt");
  const text = prompt.value.trim();
  if (!text || running) return;
  const turn = new Turn(text, { onagain: () => answer(turn) });
  turns.push(turn);
  if (turns.length === 1) byId("turns").replaceChildren();
  byId("turns").append(turn.node);
  prompt.value = "";
  fit(prompt);
  change({ draft: text }); // a link to this page asks the same
  await answer(turn);
}

/** Answer a turn, once more if it has been; what came after it is dropped. */
async function answer(turn) {
  await stop();
  while (turns.at(-1) !== turn) turns.pop().node.remove();
  const controller = new AbortController();
  running = { turn, controller };
  showRunning();
  clear("answer");
  const sides = state.compare ? ["plain", "steered"] : ["steered"];
  turn.begin(sides, { watch: state.compare ? state.watch : "", steering: termsText(acting()) });
  turn.node.scrollIntoView({ block: "start" });
  say("Answering");
  const settings = { ...sampling(), ...(state.system ? { system: state.system } : {}) };
  running.over = run(turn, settings, controller);
  await running.over;
}

async function run(turn, settings, controller) {
  try {
    await settled();
    const asked = state.compare ? askBoth : askSteered;
    await asked(turn, messagesOf(turn), settings, controller.signal);
    turn.close();
  } catch (error) {
    const stopped = error.name === "AbortError";
    turn.close(stopped ? null : error);
    if (!stopped) fail(error, "answer");
  }
  if (running?.controller === controller) running = null;
  showRunning();
  say(Object.entries(turn.sides).map(([side, { text }]) => `${side} answer: ${text.slice(0, 300)}`).join(". "));
}

async function stop() {
  if (!running) return;
  const { controller, over } = running;
  controller.abort();
  await over;
}

function restart() {
  stop();
  turns.length = 0;
  change({ draft: "" });
  drawEmpty();
  byId("prompt").focus();
}

/** A slider moved: a running answer follows by itself, a finished one is asked for again. */
function moved() {
  clearTimeout(lull);
  const steering = termsText(acting());
  if (running) {
    running.turn.steering = steering;
    running.turn.sides.steered.head.textContent = steering || "nothing steers";
    return;
  }
  if (!state.again || !turns.length) return;
  lull = setTimeout(() => {
    const turn = turns.at(-1);
    if (turn && !running && turn.steering !== steering) answer(turn);
  }, LULL);
}

function showRunning() {
  const had = [byId("stop"), byId("send")].includes(document.activeElement);
  byId("send").hidden = running !== null;
  byId("stop").hidden = running === null;
  if (had) (running ? byId("stop") : byId("prompt")).focus();
}

function drawEmpty() {
  if (turns.length) return;
  const steerable = server.vectors.some((vector) => vector.fits);
  byId("turns").replaceChildren(el("div", { class: "welcome" },
    el("h2", {}, "Ask something, then turn a dial"),
    el("p", {}, steerable
      ? "One answer is the model's own, the other one is steered, from the same seed. Sliders act from the next token on."
      : "There is nothing to steer with yet, but the model answers already."),
    el("ul", { class: "examples", "aria-label": "Questions to begin with" }, EXAMPLES.map((text) =>
      el("li", {}, el("button", { type: "button", onclick: () => {
        byId("prompt").value = text;
        submit();
      } }, text))))));
}

function fit(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight, 180)}px`;
}
