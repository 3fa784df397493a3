// The keyboard: j k Enter a n b ? — never while something is typed, never with a modifier.
"use strict";
(() => {
  const help = document.getElementById("help");
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const current = () => document.activeElement?.closest("[data-row]");
  const go = (step) => {
    const all = rows(), at = all.indexOf(current());
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))];
    next?.querySelector("[data-focus]").focus();
  };
  const keys = {
    j: () => go(1),
    k: () => go(-1),
    a: () => (current()?.querySelector('form[action$="/acknowledge"] button') || document.getElementById("acknowledge"))?.click(),
    n: () => document.querySelector("#say textarea")?.focus(),
    b: () => document.querySelector(".crumb a, .places a")?.click(),
    "?": () => (help.open ? help.close() : help.showModal()),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (event.target.closest("input:not([type=radio]), textarea, select")) return;
    if (help.open && event.key !== "?") return;
    event.preventDefault();
    keys[event.key]();
  });
})();
