// Live without loss: asks every few seconds what has changed and replaces only those parts. A part that holds the focus
// or unsent text is never replaced; it says that there is news. Without a connection the page keeps what it has.
"use strict";
(() => {
  const EVERY = 5000, PATIENCE = 15000;
  const main = document.getElementById("main");
  const lost = document.getElementById("connection");
  const known = new Map(); // part → as the server sent it last
  let tag = null, since = null;

  // What clock.js renews differs all the time and means nothing.
  const plain = (part) => {
    const copy = part.cloneNode(true);
    for (const time of copy.querySelectorAll("time[data-age], time[data-due]")) { time.textContent = ""; time.className = ""; }
    for (const bar of copy.querySelectorAll("progress")) { bar.removeAttribute("value"); bar.className = ""; }
    return copy.outerHTML;
  };
  const parts = (within) => within.querySelectorAll("[data-live], [data-list] > [id]");
  const learn = (within) => { for (const part of parts(within)) known.set(part.id, plain(part)); };

  const unsent = (field) =>
    field.type === "radio" || field.type === "checkbox" ? field.checked !== field.defaultChecked
      : "defaultValue" in field && field.type !== "hidden" && field.value !== field.defaultValue;
  const held = (part) =>
    (part.contains(document.activeElement) && !document.activeElement.matches("[data-focus]:is(h1)")) ||
    [...part.querySelectorAll("input, textarea")].some(unsent);

  const replace = (part, fresh) => {
    const open = [...part.querySelectorAll("details[id]")].map((menu) => [menu.id, menu.open]);
    part.replaceWith(fresh);
    for (const [id, state] of open) {
      const menu = document.getElementById(id);
      if (menu) menu.open = state;
    }
  };
  const renew = (part, fresh, force) => {
    const text = plain(fresh);
    if (known.get(part.id) === text && !force) { delete part.dataset.stale; return part; }
    if (held(part) && !force) { part.dataset.stale = ""; return part; }
    known.set(part.id, text);
    replace(part, fresh);
    return fresh;
  };

  // Children keep their identity: what has the focus stays in place, the others move around it.
  const list = (current, fresh, force) => {
    const wanted = [...fresh.children];
    const ids = new Set(wanted.map((child) => child.id));
    for (const child of [...current.children]) {
      if (ids.has(child.id)) continue;
      if (held(child) && child.id !== force) child.dataset.stale = "";
      else { child.remove(); known.delete(child.id); }
    }
    const anchor = [...current.children].find((child) => child.contains(document.activeElement));
    const order = wanted.map((child) => {
      const here = document.getElementById(child.id);
      if (here) return renew(here, child, child.id === force);
      known.set(child.id, plain(child));
      return child;
    });
    const at = order.indexOf(anchor);
    if (at < 0) order.forEach((child, place) => { if (current.children[place] !== child) current.insertBefore(child, current.children[place] || null); });
    else {
      for (const child of order.slice(0, at)) anchor.before(child);
      for (const child of order.slice(at + 1).reverse()) anchor.after(child);
    }
  };

  // `force` names the part whose form was just sent: the reader acted in it and waits for the answer.
  const patch = (fresh, force) => {
    const next = fresh.getElementById("main");
    for (const part of [...main.querySelectorAll("[data-live]")]) {
      const other = next.querySelector(`#${CSS.escape(part.id)}`);
      if (other) renew(part, other, part.id === force);
    }
    for (const part of main.querySelectorAll("[data-list]")) {
      const other = next.querySelector(`#${CSS.escape(part.id)}`);
      if (other) list(part, other, force);
    }
    if (fresh.title) document.title = fresh.title;
    document.dispatchEvent(new Event("incidents:patched"));
  };
  document.addEventListener("incidents:fresh", (event) => { tag = null; patch(event.detail.page, event.detail.part); });

  const connected = () => { since = null; lost.hidden = true; };
  const away = (text) => {
    since = since || new Date();
    lost.textContent = `${text} Since ${since.toLocaleTimeString([], { hourCycle: "h23" })} this page shows what it had then; it tries again every ${EVERY / 1000} s.`;
    lost.hidden = false;
  };

  const ask = async () => {
    const headers = { Accept: "text/html", ...(tag ? { "If-None-Match": tag } : {}) };
    let answer;
    try {
      answer = await fetch(`${location.pathname}?live`, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    } catch {
      return away("The connection is lost.");
    }
    if (answer.status === 401) return away("Your login has expired: open Airflow, log in, and come back.");
    if (answer.status === 304 || answer.ok) {
      if ("whole" in main.dataset) return location.reload();
      connected();
      document.dispatchEvent(new CustomEvent("incidents:now", { detail: Date.parse(answer.headers.get("X-Now")) }));
    }
    if (answer.status === 304) return undefined;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) {
      if ("whole" in main.dataset) return undefined;
      const said = (name) => page.querySelector(name)?.textContent || "";
      return away(`${said("[data-problem]") || `The server answered ${answer.status}.`} ${said("[data-remedy]")}`);
    }
    tag = answer.headers.get("ETag");
    return patch(page);
  };

  if (!("poll" in main.dataset)) return;
  learn(main);
  let running = false;
  const round = async () => {
    if (running || document.hidden) return;
    running = true;
    try { await ask(); } finally { running = false; }
  };
  setInterval(round, EVERY);
  document.addEventListener("visibilitychange", round);
  document.addEventListener("incidents:ask", round);
  // A part that was left catches up at once, not five seconds later.
  document.addEventListener("focusout", () => {
    if (main.querySelector("[data-stale]")) { tag = null; setTimeout(round, 200); }
  });
})();
