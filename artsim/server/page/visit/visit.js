/** The visit: what there is to see, where the visitor is, and the steps from there, which Back takes back. */

import * as api from "../basics/api.js";
import { byId, dropWaiting, inFocus } from "../basics/dom.js";
import * as states from "./state.js";

/**
 * Keep the state, with its address.
 *
 * @param draw Draws it; focus: whether the works get the focus.
 */
export function makeVisit(draw) {
  let isLeaving = false; // while Back takes the page to another state

  const visit = {
    indexes: [],
    state: states.START,
    /** The index that is shown, as the server describes it. */
    get index() {
      return visit.indexes.find((each) => each.name === visit.state.index);
    },
    /** Whether the details of the matches were checked. */
    get isChecked() {
      return visit.state.verified && states.canVerify(visit.state, visit.index);
    },
    /** Read which indexes there are, and what they have. */
    async load() {
      visit.indexes = await api.indexes();
    },
    /** Read the state from the address, and from what history kept next to it. */
    read(kept) {
      visit.state = states.read(location.search, kept, visit.indexes);
    },
    /** Follow Back or Forward. What was typed and not yet looked for is dropped. */
    back(kept) {
      isLeaving = true;
      dropWaiting();
      if (inFocus()?.matches("input:not([type=checkbox])")) inFocus().blur();
      isLeaving = false;
      visit.read(kept);
    },
    /** Return the address of a changed state. */
    address: (changes) => states.address({ ...visit.state, ...changes }),
    /** Change the state where it is, without drawing it. */
    amend(changes) {
      visit.state = { ...visit.state, ...changes };
      history.replaceState(history.state, "", states.address(visit.state));
    },
    /**
     * Go to a changed state; the browser's Back leads to the one before.
     *
     * @param options focus: move the focus to the works; replaces: Back skips the present state.
     */
    go(changes, { focus = false, replaces = false } = {}) {
      if (isLeaving) return undefined; // a box that is left because it is removed
      if (changes.terms?.length === 0) changes = { ...states.UNRELATED, ...changes };
      if (changes.terms || changes.details !== undefined) changes = { verified: false, ...changes };
      const narrows = Object.keys(changes).some((key) => key !== "k" && key !== "color");
      if (narrows && changes.k === undefined) changes = { ...changes, k: states.PAGE };
      if (!replaces) history.replaceState({ ...history.state, scroll: scrollY }, "");
      visit.state = { ...visit.state, ...changes };
      const address = states.address(visit.state);
      const kept = states.keep(visit.state);
      if (replaces) history.replaceState(kept, "", address);
      else if (kept || address !== location.pathname + location.search) {
        history.pushState(kept, "", address);
      }
      if (changes.terms) dropWaiting(); // words being typed were for the works before
      if (changes.find === "") byId("find").value = ""; // also while it has the focus, as when a picture is dropped
      if (changes.terms || changes.view) scrollTo({ top: 0 });
      return draw({ focus });
    },
  };
  return visit;
}
