// One side of a turn: the text as it comes, shaded by its read-out, its figures and its buttons.
// Does not know where the text comes from.

import { copyButton } from "./copy.js";
import { el, number } from "./dom.js";
import { level, meanText, parts, shadeClass } from "./shading.js";

const REASONS = { length: "cut at the limit", cancelled: "stopped" };

export class Answer {
  /** side: "plain" or "steered"; onchoose is called when the talk shall go on from here. */
  constructor(side, { onchoose = null } = {}) {
    this.side = side;
    this.head = el("span", { class: "answer-steering" });
    this.body = el("div", { class: "answer-text", lang: "" });
    this.foot = el("p", { class: "answer-figures" });
    this.choose = onchoose && el("button", { type: "button", class: "quiet small choose", "aria-pressed": "false", onclick: onchoose }, "Go on from here");
    const title = side === "plain" ? "Plain" : "Steered";
    this.node = el("section", { class: `answer ${side}`, "aria-label": `${title} answer`, "aria-busy": "false" },
      el("header", {}, el("h4", {}, title), this.head, copyButton(() => this.text, `Copy the ${side} answer`)),
      this.body,
      el("footer", {}, this.foot, this.choose));
    this.begin("");
  }

  begin(steering) {
    this.text = "";
    this.readings = [];
    this.done = null;
    this.error = null;
    this.head.textContent = this.side === "steered" ? steering || "nothing steers" : "";
    this.foot.textContent = "";
    this.node.classList.remove("failed");
    this.node.classList.add("waiting");
    this.node.setAttribute("aria-busy", "true");
    this.body.replaceChildren();
  }

  add(text) {
    this.text += text;
    this.node.classList.remove("waiting");
  }

  read(reading) {
    if (reading.generated) this.readings.push(reading);
  }

  end(facts) {
    this.done = facts;
    if (facts.text !== undefined) this.text = facts.text;
    if (this.side === "steered" && facts.steering) this.head.textContent = facts.steering;
    this.rest();
  }

  fail(error) {
    this.error = error;
    this.node.classList.add("failed");
    this.rest();
  }

  rest() {
    this.node.classList.remove("waiting");
    this.node.setAttribute("aria-busy", "false");
  }

  /** Draw the text; `watch` names the read-out, `scale` says where its colours lie. */
  paint(watch, scale) {
    const running = !this.done && !this.error;
    if (scale && this.readings.length) this.body.replaceChildren(...this.shaded(watch, scale));
    else this.body.replaceChildren(this.text);
    if (running && this.text) this.body.append(el("span", { class: "caret", "aria-hidden": "true" }));
    if (this.error) {
      this.body.append(el("p", { class: "answer-error" }, this.error.message, this.error.hint && ` ${this.error.hint}`));
    } else if (this.done && !this.text) {
      this.body.append(el("p", { class: "hint" }, "An empty answer."));
    }
    this.foot.textContent = this.figures(watch, scale);
  }

  shaded(watch, scale) {
    return parts(this.text, this.readings).map(({ text, reading }) => {
      const value = reading?.values[watch];
      if (!Number.isFinite(value)) return document.createTextNode(text);
      return el("span", { class: `token ${shadeClass(level(value, scale))}`, title: `${watch} ${number(value, scale.fitted ? 2 : 1)}` }, text);
    });
  }

  figures(watch, scale) {
    const found = [];
    const done = this.done;
    if (done?.usage) found.push(`${done.usage.completion_tokens} tokens`);
    if (done?.tokens_per_s) found.push(`${number(done.tokens_per_s, 1)} a second`);
    if (REASONS[done?.finish_reason]) found.push(REASONS[done.finish_reason]);
    if (scale && watch) found.push(meanText(watch, this.readings, scale));
    return found.filter(Boolean).join(" \u00b7 ");
  }

  setChosen(chosen) {
    if (!this.choose) return;
    this.choose.setAttribute("aria-pressed", String(chosen));
    this.choose.textContent = chosen ? "Goes on from here" : "Go on from here";
    this.node.classList.toggle("chosen", chosen);
  }
}
