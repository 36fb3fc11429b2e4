/** The works of the open set, in their order: dragged, looked at, taken out, chosen to compare. */

import * as api from "../basics/api.js";
import { described, headline, isTouched, make } from "../basics/dom.js";
import { say } from "../basics/notices.js";

/**
 * Make what shows the works of the set.
 *
 * @param sets The sets.
 * @param actions chosen() gives the ids of works to compare, or null while none are chosen; choose(id); look(id).
 * @returns What makes the elements.
 */
export function makeCollected(sets, actions) {
  let dragged = null; // id of a work

  /** Put a work at another place. */
  function move(id, to) {
    const at = sets.move(id, to);
    if (at !== null) say(`Place ${at + 1} of ${sets.ids().length}`);
  }

  /** Move the work that has the focus: Shift and an arrow key, Home or End. */
  function shift(event, id) {
    if (!event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = sets.ids().indexOf(id);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: sets.ids().length }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(id, to);
  }

  function itemOf(id) {
    const chosen = actions.chosen();
    // Its name is requested when it comes into sight, as its picture is.
    const look = () => named(id, image, title, item);
    const image = make("img", { src: api.picture(sets.index, id), alt: id, loading: "lazy", draggable: false, onload: look, onerror: look });
    const title = make("span", { "aria-hidden": "true" }, id);
    const item = make(
      "li",
      {
        draggable: true,
        ondragstart: (event) => {
          dragged = id;
          event.dataTransfer.effectAllowed = "move";
          event.dataTransfer.setData("text/plain", id);
        },
        ondragover: (event) => dragged !== null && event.preventDefault(),
        ondragend: () => (dragged = null),
        ondrop: (event) => {
          event.preventDefault();
          if (dragged !== null) move(dragged, sets.ids().indexOf(id));
        },
      },
      make(
        "button",
        {
          type: "button",
          className: "thumb",
          title: "Drag to another place, or Shift and an arrow key",
          onkeydown: (event) => shift(event, id),
          "data-keep": `work ${id}`,
          "aria-pressed": chosen ? String(chosen.includes(id)) : undefined,
          onclick: () => (chosen ? actions.choose(id) : actions.look(id)),
        },
        image,
        title,
      ),
      make(
        "button",
        {
          type: "button",
          className: "remove",
          title: "Remove",
          "aria-label": `Remove ${id}`,
          onclick: () => sets.put(sets.ids().filter((each) => each !== id)),
        },
        "×",
      ),
    );
    return item;
  }

  /** Write the name of a work where it is shown. */
  const named = (id, image, title, item) =>
    api.work(sets.index, id).then(
      (work) => {
        image.alt = described(work);
        title.textContent = headline(work);
        item.lastElementChild.setAttribute("aria-label", `Remove ${described(work)}`);
      },
      () => item.classList.add("lost"), // it is no longer in the index
    );

  /** Say what can be done with the works. */
  function hint() {
    const chosen = actions.chosen();
    if (chosen) {
      const wanted = chosen.length ? "Choose one more work" : "Choose two works to compare";
      const text = `${wanted}${isTouched ? "" : "; Escape ends this"}.`;
      return make("p", { className: "quiet asks", role: "status" }, text);
    }
    const canDrag = sets.ids().length > 1 && !isTouched;
    return canDrag ? make("p", { className: "quiet asks" }, "Drag works to put them in order.") : null;
  }

  return () => {
    dragged = null;
    const list = make("ul", { className: "collected", "aria-label": `Works of ${sets.open}` }, sets.ids().map(itemOf));
    return [hint(), list].filter(Boolean);
  };
}
