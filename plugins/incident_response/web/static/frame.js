// Inside Airflow's frame: follow its theme, and let the parent follow links into Airflow. Alone: do nothing.
"use strict";
(() => {
  const framed = window.parent !== window;
  let outer = null;
  try { outer = framed ? window.parent.document : null; } catch { outer = null; } // another origin's frame
  if (!outer) return;

  const theme = () => {
    const chosen = outer.documentElement.classList;
    for (const name of ["light", "dark"]) document.documentElement.classList.toggle(name, chosen.contains(name));
  };
  theme();
  new MutationObserver(theme).observe(outer.documentElement, { attributes: true, attributeFilter: ["class"] });

  // The sandbox forbids target=_top and window.open. Airflow's router listens to popstate, so no page is loaded anew.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-airflow]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    try {
      window.parent.history.pushState({}, "", link.href);
      window.parent.dispatchEvent(new window.parent.PopStateEvent("popstate", { state: {} }));
    } catch {
      const anchor = outer.createElement("a");
      anchor.href = link.href;
      outer.body.append(anchor);
      anchor.click();
      anchor.remove();
    }
  });
})();
