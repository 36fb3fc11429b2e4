/** The keys of the page, and the list of all keys. Those of a work are in the grid, those of the viewer in it. */

import { byId, make, show } from "./basics/dom.js";
import { closeMenus } from "./basics/menus.js";
import { cardsOf } from "./results/grid.js";
import { placeOf, showsWorks } from "./visit/views.js";

const KEYS = [
  ["/", "Search by words, or choose a picture"],
  ["Arrow keys", "Move between works"],
  ["Enter", "Find similar works"],
  ["d", "About this work; there: arrow keys, + − 0, c, r"],
  ["+  −", "Add to the query, or subtract from it"],
  ["w", "Why it matches"],
  ["c", "Compare with the query"],
  ["x", "Hide this work"],
  ["s", "Collect this work"],
  ["y  n", "Mark it yes or no, where a concept is taught"],
  ["u", "Undo hiding"],
  ["Esc", "Close"],
];

/** Make the list of all keys. */
export function keyTable() {
  const rows = KEYS.map(([key, does]) =>
    make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, key)), make("td", {}, does)),
  );
  return make("table", {}, make("tbody", {}, rows));
}

/**
 * Listen for keys.
 *
 * @param visit Where the visitor is.
 * @param parts grid, refine, collection and teach; help() shows the list of keys.
 */
export function watchKeys(visit, { grid, refine, collection, teach, help }) {
  function press(event) {
    const isTyping = event.target.closest(
      "input:not([type=checkbox]):not([type=range]), select, textarea",
    );
    const { view } = visit.state;
    if (event.key === "Escape") {
      closeMenus();
      refine.close();
      collection.giveUp();
      show(byId("error"), false);
      if (isTyping) placeOf(view).focus({ preventScroll: true });
      return;
    }
    const isOver = document.querySelector("dialog[open]") !== null;
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || isOver) return;
    if (event.key === "/") {
      event.preventDefault();
      ["words", "find", "choose"].map(byId).find((each) => !each.hidden)?.focus();
    } else if (event.key === "?") help();
    else if (event.key === "u" && !byId("notice").hidden) byId("undo").click();
    else if (event.key.startsWith("Arrow") && showsWorks(view)) {
      if (![document.body, byId("results")].includes(event.target)) return;
      event.preventDefault();
      grid.enter();
    }
  }

  /** Collect or mark the work that has the focus. */
  async function pick(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const place = cardsOf(byId("grid")).indexOf(event.target.closest("li"));
    const work = grid.works()[place];
    if (!work) return;
    if (event.key === "s") collection.toggle(work);
    else if (visit.state.view === "teach" && ["y", "n"].includes(event.key)) {
      await teach.mark(work, event.key === "y" ? "yes" : "no");
      grid.focus(Math.min(place, grid.works().length - 1));
    }
  }

  document.addEventListener("keydown", press);
  byId("grid").addEventListener("keydown", pick);
}
