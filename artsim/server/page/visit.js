/** The visit: what there is to see, where the visitor is, and the steps from there, which Back takes back. */

import * as api from "./api.js";
import { byId, dropWaiting, inFocus } from "./dom.js";
import * as states from "./state.js";

/**
 * Keep the state, with its address.
 *
 * @param draw Draws it; focus: whether the works get the focus.
 */
export function makeVisit(draw) {
  let indexes = [];
  let state = states.START;
  let isLeaving = false; // while Back takes the page to another state

  return {
    get indexes() {
      return indexes;
    },
    get state() {
      return state;
    },
    /** The index that is shown, as the server describes it. */
    get index() {
      return indexes.find((each) => each.name === state.index);
    },
    /** Whether the details of the matches were checked. */
    get isChecked() {
      return state.verified && states.canVerify(state, this.index);
    },
    /** Read which indexes there are, and what they have. */
    async load() {
      indexes = await api.indexes();
    },
    /** Read the state from the address, and from what history kept next to it. */
    read(kept) {
      state = states.read(location.search, kept, indexes);
    },
    /** Follow Back or Forward. What was typed and not yet looked for is dropped. */
    back(kept) {
      isLeaving = true;
      dropWaiting();
      if (inFocus()?.matches("input:not([type=checkbox])")) inFocus().blur();
      isLeaving = false;
      this.read(kept);
    },
    /** Return the address of a changed state. */
    address: (changes) => states.address({ ...state, ...changes }),
    /** Change the state where it is, without drawing it. */
    amend(changes) {
      state = { ...state, ...changes };
      history.replaceState(history.state, "", states.address(state));
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
      state = { ...state, ...changes };
      const address = states.address(state);
      const kept = states.keep(state);
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
}
