/** Works, details, words and pictures as the query: instead of it, added to it, or subtracted. */

import { PAGE, looksInside } from "./state.js";

/** Make what asks: each goes to another state of the visit. */
export function makeAsking(visit) {
  // A new query looks through all works that meet the filters: words found its work, and have done their part.
  const query = (terms) => ({
    view: "wall",
    any: false,
    terms,
    details: looksInside(terms, visit.index),
    find: "",
  });
  const like = ({ id }, more = {}) => query([{ id, weight: 1, ...more }]);

  function add(terms, weight = 1) {
    const { terms: now } = visit.state;
    const ids = new Set(terms.map((term) => term.id).filter(Boolean));
    const others = now.filter((term) => !ids.has(term.id));
    const all = [...others, ...terms.map((term) => ({ ...term, weight }))];
    // Words that narrow a query down stay with what is added to it.
    visit.go({ view: "wall", terms: all, ...(now.length ? {} : { find: "" }) });
  }

  return {
    add,
    ask: (terms) => visit.go(query(terms.map((term) => ({ ...term, weight: 1 })))),
    href: (work) => visit.address({ ...like(work), k: PAGE }),
    // A click without a mouse was a key: the focus goes with it.
    go: (work, event) => visit.go(like(work), { focus: event.detail === 0 }),
    detail: (work, crop) => visit.go(like(work, { crop })),
    plus: (work) => add([{ id: work.id }]),
    minus: (work) => add([{ id: work.id }], -1),
  };
}
