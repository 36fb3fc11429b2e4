/** The query in one line, on a phone: its picture and name, its options, and the way back. */

import { picture, work as findWork } from "../basics/api.js";
import { byId, shortName, make, show } from "../basics/dom.js";
import { hasDetail } from "../visit/state.js";

/**
 * Show the query in short.
 *
 * @param bar The element.
 * @param actions change(changes); details(work) shows it; preview(upload) gives the address of an uploaded picture.
 */
export function makeQuerybar(bar, actions) {
  let last = "";
  const { body } = document;
  const options = make(
    "button",
    {
      type: "button",
      "aria-controls": "tray",
      "aria-expanded": "false",
      onclick: () => open(!body.classList.contains("asking")),
    },
    "Options",
  );
  const close = make(
    "button",
    {
      type: "button",
      className: "close",
      "aria-label": "Back to all works",
      onclick: () => actions.change({ terms: [] }),
    },
    "×",
  );

  function open(isOpen) {
    body.classList.toggle("asking", isOpen);
    options.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) byId("tray").querySelector(".more-options").open = true; // who asks for options means all
  }

  return async function render({ terms, index }) {
    const now = JSON.stringify([terms, index]);
    if (now === last) return;
    last = now;
    show(bar, terms.length > 0);
    if (!terms.length) open(false);
    const [term] = terms;
    if (!term) return;
    const name = make("span", { className: "name" }, nameOf(term));
    const more = terms.length > 1 ? ` and ${terms.length - 1} more` : "";
    const source = term.id === undefined ? actions.preview(term.upload) : picture(index, term.id);
    let work = null; // of the picture, when it is known
    const seen = make(
      "button",
      {
        type: "button",
        className: "thumb",
        "aria-label": "Look at the query",
        onclick: () => (work ? actions.details(work) : open(true)),
      },
      make("img", { src: source, alt: "", onerror: () => seen.remove() }),
    );
    bar.replaceChildren(
      source ? seen : "",
      make("p", {}, make("span", { className: "quiet" }, hasDetail(terms) ? "Similar to a detail of " : "Similar to "), name, more),
      options,
      close,
    );
    if (term.id === undefined) return;
    try {
      work = await findWork(index, term.id);
      name.textContent = shortName(work);
      seen.setAttribute("aria-label", `About this work: ${shortName(work)}`);
    } catch {
      // the id stays
    }
  };
}

const nameOf = (term) =>
  term.id ?? (term.text === undefined ? term.name || term.url || "your picture" : `“${term.text}”`);
