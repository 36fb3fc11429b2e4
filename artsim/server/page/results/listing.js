/** The list of works that is shown or mapped, to take elsewhere: exported or collected. */

import * as api from "../basics/api.js";
import { byId, count, make } from "../basics/dom.js";
import { EXPORTS, download, exportMenu, saveWorks } from "../basics/exports.js";
import { fail, say } from "../basics/notices.js";
import { MOST } from "../collection/sets.js";
import { request } from "../visit/state.js";
import { browse } from "./answers.js";

/**
 * Keep what is known of the list.
 *
 * @param visit Where the visitor is.
 * @param actions works() that are shown; collect(works).
 */
export function makeListing(visit, actions) {
  /** Say which works are taken, by this noun: those shown of a ranking, else all. */
  function extent(noun = "") {
    const { isRanked, total } = listing;
    const some = isRanked ? actions.works().length : Math.min(total, MOST);
    if (some === total) return some === 1 ? "it" : `all ${count(some)}${noun}`;
    return isRanked ? `the ${count(some)}${noun} shown` : `the first ${count(some)}${noun}`;
  }

  /** Return the works that `extent` names. */
  const listed = async () => (listing.isRanked ? actions.works() : (await browse(visit, undefined, MOST)).works);

  async function save(kind) {
    const { answer } = listing;
    document.body.classList.add("busy");
    try {
      if (!answer || visit.isChecked || kind === "zip") {
        const filters = [...byId("chips").querySelectorAll(".filter > span")].map((each) => each.title);
        const name = (answer ? document.title : filters.join(", ") || byId("home").textContent).slice(0, 90);
        await saveWorks(kind, visit.state.index, name, (await listed()).map(({ id }) => id));
      } else if (kind === "json") {
        download(new Blob([JSON.stringify(answer, null, 1)], { type: "application/json" }), "artsim.json");
      } else {
        const file = await api.exported(visit.state.index, kind, request(visit.state));
        download(file, `artsim.${kind === "iiif" ? "manifest.json" : kind}`);
      }
      say("Saved");
    } catch (error) {
      fail(error);
    }
    document.body.classList.remove("busy");
  }

  const listing = {
    answer: null, // to be exported, if it is one
    total: 0, // works, those included that are not shown yet
    isRanked: false, // then those that are shown are taken
    /** Note what list there is now. */
    set: (now) => Object.assign(listing, { answer: null, isRanked: false }, now),
    /** Make the menu and the button that take the works elsewhere. */
    tools() {
      const { answer, isRanked } = listing;
      const kinds = answer ? { ...EXPORTS, json: "JSON" } : EXPORTS;
      const note = () => [listing.total === 1 ? "Exports the work." : `Exports ${extent(" works")}.`];
      const collect = async () => actions.collect(await listed());
      return [
        // A concept has a menu of its own, with the scores of its works.
        visit.state.view === "teach" && isRanked ? null : exportMenu(save, kinds, note),
        make(
          "button",
          {
            type: "button",
            "data-keep": "collect",
            title: "Collect the works of this list",
            onclick: () => collect().catch(fail),
          },
          `Collect ${extent()}`,
        ),
      ].filter(Boolean);
    },
    /** Say again in tools that were made how many works are collected. */
    recount(tools) {
      if (listing.total) tools.querySelector("[data-keep=collect]")?.replaceChildren(`Collect ${extent()}`);
    },
  };
  return listing;
}
