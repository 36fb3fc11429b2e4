/** The star of a work: whether it is in the set that is open. */

import { count, described, make, many } from "../basics/dom.js";
import { fail, say } from "../basics/notices.js";
import { MOST } from "./sets.js";

/** Make what collects works in the open set. */
export function makeStars(sets) {
  function toggle(work) {
    const isIn = sets.has(work.id);
    if (!isIn && sets.ids().length >= MOST) {
      fail(new Error(`A set has at most ${MOST} works; start another one.`));
      return;
    }
    sets.put(isIn ? sets.ids().filter((id) => id !== work.id) : [...sets.ids(), work.id]);
    say(`${described(work)}: ${isIn ? "removed from" : "added to"} ${sets.open}`);
  }

  /** Collect works, as many as the set can hold. */
  function add(works) {
    const others = works.map(({ id }) => id).filter((id) => !sets.has(id));
    const some = others.slice(0, Math.max(0, MOST - sets.ids().length));
    sets.put([...sets.ids(), ...some]);
    const left = others.length - some.length;
    if (left) fail(new Error(`A set has at most ${MOST} works: ${count(left)} were not added.`));
    say(`${many(some.length, "work")} added to ${sets.open}`);
  }

  function draw(button) {
    const isIn = sets.has(button.dataset.id);
    button.textContent = isIn ? "★" : "☆";
    button.setAttribute("aria-pressed", String(isIn));
    button.title = isIn ? `In ${sets.open} (s)` : `Collect in ${sets.open} (s)`;
    button.setAttribute("aria-label", `Collect: ${button.dataset.name}`);
  }

  /** Make the star of a work. */
  function star(work) {
    const button = make("button", {
      type: "button",
      className: "star",
      tabIndex: -1,
      onclick: () => toggle(work),
    });
    button.dataset.id = work.id;
    button.dataset.name = described(work);
    draw(button);
    return button;
  }

  /** Make the button of a menu that collects a work. */
  function entry(work) {
    const text = () => (sets.has(work.id) ? `Remove from ${sets.open}` : `Collect in ${sets.open}`);
    const button = make(
      "button",
      {
        type: "button",
        onclick: () => {
          toggle(work);
          button.textContent = text();
        },
      },
      text(),
    );
    return button;
  }

  return { toggle, add, star, entry, drawAll: () => document.querySelectorAll(".star").forEach(draw) };
}
