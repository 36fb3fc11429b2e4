/** Menus of buttons: they open inside the window, and a click elsewhere closes them. */

import { button, byId, make } from "./dom.js";

const EDGE = 8; // pixels between a menu and the window's edge

const openMenus = () =>
  /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details.menu[open]"));

/**
 * Make a menu.
 *
 * @param keep What finds it again after a redraw.
 * @param title What opens it.
 * @param entries A text each, and what it does.
 * @param more What comes below them, if anything.
 */
export function makeMenu(keep, title, entries, more = null) {
  const opener = make("summary", { "data-keep": keep }, title);
  const buttons = entries.map(([text, run]) =>
    button(text, () => {
      menu.open = false;
      opener.focus();
      run();
    }),
  );
  const menu = make("details", { className: "menu" }, opener, make("div", {}, buttons, more));
  return menu;
}

/** Listen for what opens and closes menus. */
export function watchMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) {
      if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
    }
  });
  document.addEventListener("toggle", openInView, true);
}

/** Close all menus; each gives the focus to what opens it. */
export function closeMenus() {
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
}

/** Move what a menu opened into the window, above the bar of the collection. */
function openInView({ target }) {
  if (!target.matches("details.menu") || !target.open) return;
  requestAnimationFrame(() => {
    const panel = target.querySelector(":scope > div");
    if (!panel) return;
    panel.style.translate = "none";
    const { left, right, top, bottom } = panel.getBoundingClientRect();
    const bar = byId("collection").getBoundingClientRect();
    const end = (bar.height && !byId("collection").contains(target) ? bar.top : innerHeight) - EDGE;
    const width = document.documentElement.clientWidth - EDGE;
    // It ends where its button ends; where it would leave the works to the left, it starts where that starts.
    const from = left < document.querySelector("main").getBoundingClientRect().left ? target.getBoundingClientRect().left : left;
    const across = Math.max(Math.min(from, width - (right - left)), EDGE) - left;
    const down = Math.max(Math.min(0, end - bottom), EDGE - top);
    panel.style.translate = `${across}px ${down}px`;
  });
}
