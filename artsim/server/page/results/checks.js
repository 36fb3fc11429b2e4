/** Checking the details of the best matches, by where their parts lie: asked for, waited for, and undone. */

import * as api from "../basics/api.js";
import { button, byId, count, make, many, show } from "../basics/dom.js";
import { CHECKED, canVerify, hasEvidence } from "../visit/state.js";

const ASK = 500; // milliseconds until the page asks again how far a check is
const UNMARKED = ", so no part is marked and no percentile is shown"; // of a match that was checked

/** Return the checked matches of a request; how many are checked is said until then. */
export async function checked(index, request, signal, stop) {
  for (;;) {
    const found = await api.verified(index, request, signal);
    if (found.answer) return found.answer;
    if (found.state === "failed") throw new Error(found.reason);
    drawProgress(found, stop);
    await new Promise((done) => setTimeout(done, ASK));
    signal.throwIfAborted();
  }
}

function drawProgress({ done, works }, stop) {
  show(byId("results"), true);
  const said = `Checking the details of the best matches: ${count(done)} of ${count(works)}. `;
  const bar = make("progress", { max: works, value: done, "aria-label": said });
  if (byId("summary").contains(document.activeElement)) byId("results").focus({ preventScroll: true });
  byId("summary").replaceChildren(said, bar, " ", button("Stop", stop));
}

/** Offer to check the best matches, or say what the check found. */
export function aboutCheck({ matches, searched }, visit) {
  if (!canVerify(visit.state, visit.index) || !matches.length) return [];
  if (!visit.isChecked) {
    const name = `Check the details of ${searched > CHECKED ? `the best ${CHECKED}` : "all"}`;
    const title = "Put works first in which the parts of the detail lie in the same way";
    return [" ", button(name, () => visit.go({ verified: true }), title)];
  }
  const found = matches.filter(hasEvidence).length;
  const some = found ? `${count(found)} ${found === 1 ? "has" : "have"}` : "none has";
  return [
    `Of ${many(matches.length, "match", "matches")} that were checked, ${some} parts that lie as in the detail${found ? "" : UNMARKED}. `,
    button("Undo the check", () => visit.go({ verified: false })),
  ];
}

/** Return a checked match; one without the detail shows no place of it. */
export const marked = (match) => (hasEvidence(match) ? match : { ...match, box: null });

/** How the grid shows which of the checked matches have not the detail, if some have it. */
export const DIVIDED = {
  divide: (work) => !hasEvidence(work),
  below: "Without the detail",
  why: `Their parts do not lie as in the detail${UNMARKED}.`,
};
