/** The tools above the works: what can be done with the list, its order, its look, its link. */

import { button, byId, isTouched } from "../basics/dom.js";
import { say } from "../basics/notices.js";
import { sizes } from "./sizes.js";

const SEEDS = 9999; // orders of the wall

/**
 * Make the tools.
 *
 * @param visit Where the visitor is.
 * @param listing The list of works.
 * @param actions refiner() makes the button that opens the facets; keys() shows the keys.
 * @returns What draws them.
 */
export function makeTools(visit, listing, actions) {
  const place = byId("tools");
  let drawn = ""; // what they depend on

  return function draw() {
    const { state } = visit;
    const { answer, isRanked, total } = listing;
    const now = `${answer !== null} ${isRanked} ${Math.min(total, 2)} ${state.conditions.length}`;
    listing.recount(place);
    if (drawn === now && place.children.length) return; // a menu may be open
    drawn = now;
    const isInside = place.contains(document.activeElement);
    const shuffle = () => visit.go({ seed: 1 + Math.floor(Math.random() * SEEDS) });
    place.replaceChildren(
      actions.refiner(),
      ...(total ? listing.tools() : []),
      ...(isRanked || total < 2 ? [] : [button("Shuffle", shuffle, "Show in another order")]),
      button("Copy link", async ({ target }) =>
        say(await copyLink(target, !visit.state.terms.some((term) => term.upload))),
      ),
      ...(isTouched ? [] : [button("Keys", actions.keys)]),
      sizes(),
    );
    if (isInside) place.querySelector("button:not(.refine-button), summary").focus();
  };
}

/** Copy the address; `isWhole` is false where a picture of the visitor is not in it. */
async function copyLink(target, isWhole) {
  try {
    await navigator.clipboard.writeText(location.href);
    target.textContent = isWhole ? "Copied" : "Copied, without your picture";
  } catch {
    target.textContent = "It is in the address bar";
  }
  setTimeout(() => (target.textContent = "Copy link"), 2500);
  return target.textContent;
}
