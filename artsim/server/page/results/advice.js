/** What a visitor can do next: to begin, to find a detail, and where nothing was found. */

import { asSentence, commands, isTouched, make } from "../basics/dom.js";
import { chipsOf } from "../query/chips.js";
import { elsewhere } from "../visit/elsewhere.js";
import * as states from "../visit/state.js";

const BY_PARTS = "Of each work, the part that is most similar counts.";

/** Make a link to a changed state. */
function link(visit, changes, text) {
  const onclick = (event) => {
    event.preventDefault();
    visit.go(changes);
  };
  return make("a", { href: visit.address(changes), onclick }, text);
}

/** Invite to search with a work or a picture. */
export function invitation({ pictures }) {
  const picture = isTouched ? ", or upload a picture" : ", or drop a picture anywhere";
  return `Choose a work to see similar ones${pictures ? picture : ""}.`;
}

/**
 * Say why nothing was found, with a chip for each condition; words that were meant are a link.
 *
 * @param visit Where the visitor is.
 * @param {{nothing: string, instead?: string}} found What the server answered.
 * @param {string} [clear] What takes all conditions away.
 */
export function aboutNothing(visit, { nothing, instead }, clear) {
  const { state } = visit;
  const chips = chipsOf(states.compared(state), state.index, visit.go, clear);
  const list = chips.length > 0 && make("ul", { className: "chips", "aria-label": "Conditions" }, chips);
  const said = asSentence(nothing.replace("No match: ", "")); // as the heading says
  if (!instead) return [make("p", {}, said), list].filter(Boolean);
  const [before] = said.split("did you mean");
  return [make("p", {}, `${before}did you mean `, link(visit, { find: instead }, instead), "?"), list];
}

/** Say that a detail is compared with whole pictures or larger parts, and what would find it. */
export async function aboutDetail(visit) {
  const { state, index, indexes } = visit;
  if (!states.hasDetail(state.terms)) return [];
  if (state.details) {
    return [states.isSmall(state.terms, index) && tooSmall(state), !visit.isChecked && BY_PARTS].filter(Boolean);
  }
  const said = "The detail is compared with whole pictures; to find works that contain it, ";
  if (index.tiles) return [`${said}tick “Find works that contain it as a detail”.`];
  for (const other of indexes.filter(({ tiles }) => tiles)) {
    const there = await elsewhere(visit, other);
    if (there.terms.length) return [said, link(visit, there, `choose ${other.name}`), "."];
  }
  const { collection, path } = index;
  const embed = `artsim embed ${collection} --tiles ${states.tilesFor(state.terms) || 8} -o ${path}-tiles`;
  const all = [...indexes.map((each) => each.path), `${path}-tiles`];
  return [
    `${said}make a second index with tiles, stop this server with Ctrl-C, and start it again with that index too and the options it has now:`,
    commands(embed, `artsim serve ${all.join(" ")}`),
  ];
}

/** Say that the right work may not come first, and what would help. */
function tooSmall({ terms }) {
  const tiles = states.tilesFor(terms);
  const more = tiles ? `, or embed with --tiles ${tiles}` : "";
  return `The detail is smaller than the parts of works that were embedded, so the right work may not come first; draw a larger one${more}. `;
}
