/** The work that the viewer shows, in the address: a link opens it, Back closes it. */

const named = () => new URLSearchParams(location.hash.slice(1)).get("work");
const bare = () => location.pathname + location.search;

/**
 * Keep the address with the viewer.
 *
 * @param actions open(id) opens a work.
 */
export function makeViewing(actions) {
  let isPushed = false; // Back leads to what was there before the viewer was opened
  let isGoingBack = false; // by closing it: there is nothing to draw

  return {
    /** Open the work that the address names, if it names one. */
    open: async () => {
      if (named() !== null) await actions.open(named());
    },
    /** Name the work that is shown now. */
    shown(work) {
      if (named() === work.id) return;
      isPushed ||= named() === null;
      const move = named() === null ? "pushState" : "replaceState";
      history[move](history.state, "", `${bare()}#work=${encodeURIComponent(work.id)}`);
    },
    /** Name none: the viewer has closed. */
    closed() {
      if (named() !== null && isPushed) {
        isGoingBack = true;
        history.back();
      } else if (named() !== null) history.replaceState(history.state, "", bare());
      isPushed = false;
    },
    /** Return whether the page only went back because the viewer has closed. */
    isBack() {
      const was = isGoingBack;
      isGoingBack = false;
      return was;
    },
  };
}
