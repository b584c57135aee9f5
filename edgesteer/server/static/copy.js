// A button that copies a text and says so.

import { el, icon } from "./dom.js";
import { say } from "./notices.js";

const SHEETS = "M7 7V3h10v10h-4M3 7h10v10H3z";
const TICK = "m4 10 4 4 8-8";

export function copyButton(text, label, shown = "") {
  const button = el("button", { type: "button", class: shown ? "quiet small" : "quiet square", "aria-label": label, title: label });
  const draw = (path) => button.replaceChildren(icon(path), ...(shown ? [shown] : []));
  button.addEventListener("click", async () => {
    await copy(text());
    draw(TICK);
    say("Copied");
    setTimeout(() => draw(SHEETS), 1600);
  });
  draw(SHEETS);
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text); // over plain HTTP from another machine there is no clipboard
  }
}

function copyBySelection(text) {
  const area = el("textarea", { class: "visually-hidden", value: text, "aria-hidden": "true", tabindex: "-1" });
  const host = document.querySelector("dialog[open]") ?? document.body;
  const before = document.activeElement;
  host.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  before?.focus();
}
