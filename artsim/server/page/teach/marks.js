/** ✓ and ✗ on works: whether one shows the concept that is taught. */

import { described, make } from "../basics/dom.js";
import { say } from "../basics/notices.js";

const KINDS = {
  yes: { sign: "✓", word: "Yes", text: "Yes, it shows the concept" },
  no: { sign: "✗", word: "No", text: "No, it does not" },
};

/**
 * Make what marks works.
 *
 * @param concept What they are marked for.
 * @param follow Ranks the works again; it is given the event that marked one.
 */
export function makeMarks(concept, follow) {
  const isMarked = ({ id }, kind) => String(concept.now[kind].includes(id));

  /** Mark a work; marking it the same way again takes the mark away. */
  function mark(work, kind, event) {
    const has = concept.mark(work, kind);
    const what = concept.now.name || "the concept";
    const does = !has ? "no mark" : kind === "yes" ? `shows ${what}` : `does not show ${what}`;
    say(`${described(work)}: ${does}`);
    press();
    return follow(event);
  }

  /** Show on the works which are marked, while they stay where they are. */
  function press() {
    /** @type {NodeListOf<HTMLElement>} */
    const all = document.querySelectorAll("[data-marks]");
    for (const { dataset, children } of all) {
      for (const button of children) {
        if (!(button.className in KINDS)) continue;
        button.setAttribute("aria-pressed", isMarked({ id: dataset.marks }, button.className));
      }
    }
  }

  /** Make the buttons that mark a work. */
  const signs = (work) =>
    make(
      "div",
      { className: "marks", "data-marks": work.id },
      Object.entries(KINDS).map(([kind, { sign, word, text }]) =>
        make(
          "button",
          {
            type: "button",
            className: kind,
            tabIndex: -1,
            title: `${text} (${kind[0]})`,
            "aria-label": `${word}: ${described(work)}`,
            "aria-pressed": isMarked(work, kind),
            onclick: (event) => mark(work, kind, event),
          },
          sign,
        ),
      ),
    );

  /** Make the buttons of a menu that mark a work. */
  function entries(work) {
    const buttons = Object.entries(KINDS).map(([kind, { text }]) => {
      const onclick = (event) => {
        mark(work, kind, event);
        pressed();
      };
      return [kind, make("button", { type: "button", onclick }, text)];
    });
    const pressed = () =>
      buttons.forEach(([kind, button]) => button.setAttribute("aria-pressed", isMarked(work, kind)));
    pressed();
    return buttons.map(([, button]) => button);
  }

  return { mark, press, signs, entries };
}
