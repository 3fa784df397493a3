// Sends forms without leaving the page, so that nothing typed elsewhere is lost. Without script they are plain forms.
"use strict";
(() => {
  const sent = document.getElementById("sent");
  const typed = (within) => [...within.querySelectorAll("input, textarea")].some((field) => field.type !== "hidden" && field.value !== field.defaultValue);
  const complain = (text) => { sent.textContent = text; sent.hidden = !text; };
  const stays = () => document.querySelector("#main[data-poll]"); // other pages are left by their form anyway

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.method !== "post" || !stays()) return;
    event.preventDefault();
    if ("busy" in form.dataset) return; // a second click is not a second command
    form.dataset.busy = "";
    const button = event.submitter, buttons = form.querySelectorAll("button");
    const fields = new URLSearchParams(new FormData(form));
    if (button?.name) fields.set(button.name, button.value);
    const part = form.closest("[data-live], [data-list] > [id]");
    for (const one of buttons) one.setAttribute("aria-busy", "true");
    try {
      const headers = { Accept: "text/html", "Content-Type": "application/x-www-form-urlencoded" };
      const answer = await fetch(form.action, { method: "POST", headers, body: fields, signal: AbortSignal.timeout(30000) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) {
        const kept = typed(form) ? " What you typed is still here." : "";
        const said = (name) => page.querySelector(name)?.textContent || "";
        const otherwise = answer.status === 401 ? "Your login has expired: log in to Airflow in another tab, then press the button again." : `The server answered ${answer.status}.`;
        const problem = (said("[data-problem]") || otherwise).trim();
        const remedy = kept && answer.status === 422 ? "" : ` ${said("[data-remedy]")}`; // nobody has to go back
        complain(`${problem}${/[.!?]$/.test(problem) ? "" : "."}${remedy}${kept}`);
        document.dispatchEvent(new Event("incidents:ask"));
        return;
      }
      complain("");
      form.reset();
      form.closest("details.menu")?.removeAttribute("open");
      const focused = part?.contains(document.activeElement);
      document.dispatchEvent(new CustomEvent("incidents:fresh", { detail: { page, part: part?.id } }));
      if (focused) (document.getElementById(part.id)?.querySelector("[data-focus], textarea") || document.getElementById("main")).focus();
    } catch {
      complain("Not sent, or the answer did not arrive: the connection is lost. Look at the timeline before you press again.");
    } finally {
      delete form.dataset.busy;
      for (const one of buttons) one.removeAttribute("aria-busy");
    }
  });

  // A menu closes when the reader turns to something else, unless something was typed into it.
  const close = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu !== except && !typed(menu)) menu.open = false;
    }
  };
  document.addEventListener("click", (event) => close(event.target.closest("details.menu")));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(null); });

  // A link to a place that is a menu opens it: the board's "Resolve".
  const place = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (target.tagName === "DETAILS") target.open = true;
    target.querySelector("textarea")?.focus();
  };
  place();
  window.addEventListener("hashchange", place);
})();
