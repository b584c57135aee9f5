// Tells people: errors with their hints in a bar that can be closed, short news to screen readers.

import { byId, el, icon } from "./dom.js";

/** An error, shown until it is closed or the same kind of thing goes well. */
export function fail(error, kind = "") {
  if (error.name === "AbortError") return;
  clear(kind);
  const hint = error.hint ? el("span", { class: "notice-hint" }, error.hint) : null;
  const notice = el(
    "div",
    { class: "notice", role: "alert", "data-kind": kind },
    el("p", {}, el("strong", {}, sentence(error.message)), hint && " ", hint),
    el("button", { type: "button", class: "quiet square", "aria-label": "Close this message", onclick: () => notice.remove() },
      icon("m6 6 8 8M14 6l-8 8")),
  );
  byId("notices").append(notice);
}

/** The last error of this kind is mended. */
export function clear(kind) {
  for (const notice of byId("notices").querySelectorAll(".notice")) {
    if (notice.dataset.kind === kind) notice.remove();
  }
}

/** Said by a screen reader when it has finished what it says. */
export function say(text) {
  byId("announcer").textContent = "";
  setTimeout(() => {
    byId("announcer").textContent = text;
  }, 50);
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
