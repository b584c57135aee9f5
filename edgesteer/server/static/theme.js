// Light or dark: sets the chosen colours before the page is painted, and turns the button.
"use strict";

(() => {
  const KEY = "edgesteer.theme";
  const NEXT = { "": "light", light: "dark", dark: "" };
  const SAY = { "": "as the system", light: "light", dark: "dark" };

  function kept() {
    try {
      const value = localStorage.getItem(KEY);
      return value in SAY ? value : "";
    } catch {
      return ""; // no storage: the system's colours
    }
  }

  function show(theme) {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    const button = document.getElementById("theme");
    button?.setAttribute("aria-label", `Colours: ${SAY[theme]}`);
    button?.setAttribute("title", `Colours: ${SAY[theme]}`);
  }

  let theme = kept();
  show(theme);
  document.addEventListener("DOMContentLoaded", () => {
    show(theme);
    document.getElementById("theme").addEventListener("click", () => {
      theme = NEXT[theme];
      show(theme);
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // it holds for this visit
      }
    });
  });
})();
