/** Where a view of the page is: most of them show works. */

import { byId } from "../basics/dom.js";

const PLACES = { map: "map", duplicates: "duplicates" }; // ids of what a view shows instead of works

export const showsWorks = (view) => !(view in PLACES);

/** Return the element of a view. */
export const placeOf = (view) => byId(PLACES[view] ?? "results");

/** Give the focus to the works, or the map, if what had it is gone. */
export function keepFocus(view) {
  if (document.activeElement && document.activeElement !== document.body) return;
  placeOf(view).focus({ preventScroll: true });
}
