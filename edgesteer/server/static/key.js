// Asks for the API key when the server wants one.

import { onKeyWanted } from "./api.js";
import { el } from "./dom.js";

onKeyWanted(
  (wrong) =>
    new Promise((resolve) => {
      const input = el("input", { type: "password", id: "api-key", autocomplete: "off", required: true });
      const form = el(
        "form",
        { class: "dialog-body" },
        el("h2", { id: "key-title" }, "This server asks for a key"),
        el("p", {}, wrong ? "That key is not the right one." : "It was started with --api-key or EDGESTEER_API_KEY."),
        el("label", { for: "api-key" }, "API key"),
        input,
        el(
          "div",
          { class: "dialog-actions" },
          el("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"),
          el("button", { type: "submit", class: "primary" }, "Continue"),
        ),
      );
      const dialog = el("dialog", { "aria-labelledby": "key-title" }, form);
      let given = null;
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        given = input.value.trim();
        dialog.close();
      });
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(given || null);
      });
      document.body.append(dialog);
      dialog.showModal();
      input.focus();
    }),
);
