/** The top of the page: the collections, the boxes that take words, and the views. */

import * as api from "./basics/api.js";
import { byId, count, later, make, show } from "./basics/dom.js";
import { fail } from "./basics/notices.js";
import { goElsewhere } from "./visit/elsewhere.js";
import { START, VIEWS, readWords } from "./visit/state.js";

const TYPING = 250; // milliseconds without a key after which words are looked for

/**
 * Make the top work.
 *
 * @returns What draws it.
 */
export function makeHeader(visit) {
  const { indexes } = visit;
  byId("index").append(
    ...indexes.map(({ name, rows }) => make("option", { value: name }, `${name} (${count(rows)})`)),
  );
  show(byId("indexes"), indexes.length > 1);

  /** Return what the search box takes: words, and web addresses of pictures. */
  function accepted() {
    const { words, urls, pictures } = visit.index;
    return { words, urls: urls && pictures };
  }

  /** Read the search box: terms. */
  function written(text) {
    const { words, urls } = accepted();
    if (urls && /^https?:\/\//i.test(text)) return [{ url: text, weight: 1 }];
    if (!words) throw new Error("Give the address of a picture: https://…");
    const terms = readWords(text);
    if (!terms.some(({ weight }) => weight > 0) && !visit.state.terms.length) {
      throw new Error("Say what to look for, too: boat -sea");
    }
    return terms;
  }

  byId("home").addEventListener("click", (event) => {
    event.preventDefault();
    visit.go({ ...START, index: visit.state.index });
  });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = byId("words").value.trim();
    if (!text || document.activeElement === byId("find")) return;
    try {
      const terms = written(text);
      const isAdded = event.submitter === byId("add-words");
      byId("words").value = "";
      visit.go({ view: "wall", any: false, terms: isAdded ? [...visit.state.terms, ...terms] : terms });
    } catch (error) {
      fail(error);
    }
  });
  const suggest = later(TYPING, async () => {
    const text = byId("words").value.trim();
    const { name, words } = visit.index;
    const found = words && text ? await api.suggestions(name, text).catch(() => []) : [];
    byId("suggestions").replaceChildren(...found.map((value) => make("option", { value })));
  });
  byId("words").addEventListener("input", suggest);
  let typed = null; // the state that the words being typed led to
  const look = later(TYPING, () => {
    const find = byId("find").value.trim();
    if (find === visit.state.find) return;
    visit.go({ find }, { replaces: typed === visit.state });
    typed = visit.state;
  });
  byId("find").addEventListener("input", look);
  byId("index").addEventListener("change", () => goElsewhere(visit, byId("index").value));
  for (const view of VIEWS) byId(`see-${view}`).addEventListener("click", () => visit.go({ view }));

  return function draw() {
    const { index, state } = visit;
    byId("home").href = visit.address({ ...START, index: visit.indexes.length === 1 ? null : state.index });
    byId("index").value = state.index;
    const { words, urls } = accepted();
    show(byId("words"), words || urls);
    byId("words").placeholder = [words && "Describe a picture: boat -sea", urls && "Address of a picture"]
      .filter(Boolean)
      .join(", or ");
    byId("words").setAttribute("aria-label", words ? "Search by words" : "Address of a picture");
    show(byId("add-words"), (words || urls) && state.terms.length > 0);
    show(byId("choose"), index.pictures);
    show(byId("find"), index.fields.some(({ type }) => type === "text" || type === "list"));
    if (document.activeElement !== byId("find")) byId("find").value = state.find;
    show(byId("see-map").parentElement, true);
    for (const view of VIEWS) byId(`see-${view}`).setAttribute("aria-pressed", String(state.view === view));
  };
}
