// One turn of the conversation: what was asked, and its answers side by side or one.
// Draws at most once a frame. Does not know the server.

import { Answer } from "./answer.js";
import { el } from "./dom.js";
import { legend, scaleOf } from "./shading.js";

export class Turn {
  constructor(prompt, { onagain }) {
    this.prompt = prompt;
    this.sides = {};
    this.chosen = "steered";
    this.watch = "";
    this.steering = ""; // what acted, as text
    this.grid = el("div", { class: "answers" });
    this.legend = el("div", { class: "legend-place" });
    this.again = el("button", { type: "button", class: "quiet small", onclick: onagain }, "Answer again");
    this.facts = el("span", { class: "hint" });
    this.node = el("article", { class: "turn", "aria-label": `Question: ${prompt}` },
      el("div", { class: "question" }, el("p", {}, prompt)),
      this.grid, this.legend,
      el("div", { class: "turn-foot" }, this.again, this.facts));
  }

  /** Begin afresh, with the sides "plain" and "steered" or one of them. */
  begin(names, { watch, steering }) {
    this.watch = watch;
    this.steering = steering;
    this.facts.textContent = "";
    if (names.join() !== Object.keys(this.sides).join()) {
      const several = names.length > 1;
      this.sides = Object.fromEntries(names.map((side) => [side, new Answer(side, { onchoose: several ? () => this.pick(side) : null })]));
      this.grid.replaceChildren(...names.map((side) => this.sides[side].node));
      this.pick(names.includes(this.chosen) ? this.chosen : names[0]);
    }
    this.grid.classList.toggle("single", names.length === 1);
    for (const side of names) this.sides[side].begin(steering);
    this.legend.replaceChildren();
    this.paint();
  }

  pick(side) {
    this.chosen = side;
    for (const [name, answer] of Object.entries(this.sides)) answer.setChosen(name === side);
  }

  paint() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const followed = this.inView();
    const { plain, steered } = this.sides;
    const scale = this.watch ? scaleOf(this.watch, plain?.readings ?? [], steered?.readings ?? []) : null;
    for (const answer of Object.values(this.sides)) answer.paint(this.watch, scale);
    if (scale) this.legend.replaceChildren(legend(this.watch, scale));
    if (followed && !this.inView()) this.sides.steered.node.scrollIntoView({ block: "end", behavior: "instant" });
  }

  /** Whether the end of the steered answer can be seen: who has scrolled up is left there. */
  inView() {
    const box = this.node.parentElement?.getBoundingClientRect();
    return Boolean(box) && this.sides.steered.node.getBoundingClientRect().bottom <= box.bottom;
  }

  /** End what has not ended: the person stopped it, or the stream broke. */
  close(error) {
    for (const answer of Object.values(this.sides)) {
      if (answer.done || answer.error) continue;
      if (error) answer.fail(error);
      else answer.end({ finish_reason: "cancelled" });
    }
    this.draw();
  }

  get text() {
    return this.sides[this.chosen]?.text ?? "";
  }
}
