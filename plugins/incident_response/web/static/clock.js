// Renews what goes stale by itself, once a second: ages, countdowns, bars. By the server's clock, not the reader's.
"use strict";
(() => {
  let ahead = Date.now() - Date.parse(document.body.dataset.now || new Date().toISOString());
  document.addEventListener("incidents:now", (event) => { ahead = Date.now() - event.detail; });

  const two = (number) => String(number).padStart(2, "0");
  const length = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds % 3600 / 60))} min`;
    return `${Math.floor(seconds / 86400)} days`;
  };
  const countdown = (left) => {
    const seconds = Math.floor(Math.abs(left));
    const text = seconds < 3600 ? `${Math.floor(seconds / 60)}:${two(seconds % 60)}` : length(seconds);
    return left < 0 ? `${text} late` : text;
  };
  const say = (element, text) => { if (element.firstChild.data !== text) element.firstChild.data = text; };

  const tick = () => {
    const now = Date.now() - ahead;
    for (const element of document.querySelectorAll("time[data-age]")) {
      say(element, length(Math.max(0, Math.floor((now - Date.parse(element.dateTime)) / 1000))));
    }
    for (const element of document.querySelectorAll("time[data-due]")) {
      const left = (Date.parse(element.dateTime) - now) / 1000;
      say(element, countdown(left));
      element.classList.toggle("late", left < 0);
    }
    for (const bar of document.querySelectorAll("progress[data-due]")) {
      const from = Date.parse(bar.dataset.from), due = Date.parse(bar.dataset.due);
      bar.value = Math.min(1, Math.max(0, (now - from) / (due - from)));
      bar.classList.toggle("late", now > due);
    }
  };
  document.addEventListener("incidents:patched", tick);
  setInterval(tick, 1000);
  tick();
})();
