/** A work in full: its picture to zoom into, next to the query, its regions, its record. */

import * as api from "../basics/api.js";
import { aboutRegions, count, described, headline, identified, inFocus, make, percentile, whereabouts } from "../basics/dom.js";
import { boxOf } from "../results/grid.js";
import { differences, duplicatesOf, recordOf } from "./record.js";
import { makePane, wholeView } from "./zoom.js";

const MOVES = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };

/**
 * Make the viewer.
 *
 * @param dialog The element.
 * @param actions index(); works() that are shown, of total(), and more() loads more of them; go, plus, minus
 *   and detail(work, box); isAnswer(); terms() of the query; preview(upload); request(id) for the
 *   regions; others(work), if given, more buttons; shown(work) is called for each work that it
 *   shows, and closed() when it has closed.
 */
export function makeViewer(dialog, actions) {
  let work = null;
  let at = -1; // its place among those shown; -1 if it is none of them
  let turn = 0; // of what is shown; an answer to what was left is dropped
  let compares = false;
  let beside = null; // the work to compare with instead of the query
  let choices = null; // what can be decided about a work of a group of duplicates, as `among` has it
  let drawDecisions = () => {};
  let around = null; // ids of the set that it was opened from; null: of the works that are shown
  let covers = false;
  let panes = [];
  const view = wholeView();

  const drawAll = () => panes.forEach((pane) => pane.draw());
  const zoom = (by) => panes.at(-1)?.zoom(by);
  function whole() {
    Object.assign(view, wholeView());
    drawAll();
  }

  const button = (text, name, run, more = {}) =>
    make("button", { type: "button", title: name, "aria-label": name, onclick: run, ...more }, text);
  const title = make("h2", { id: "viewer-title" });
  const place = make("span", { className: "quiet" });
  const before = button("‹", "Previous work (left arrow)", () => step(-1));
  const after = button("›", "Next work (right arrow)", () => step(1));
  const compare = button("", "", () => {
    compares = !compares;
    drawPanes();
    drawRecord();
  });
  const cover = button("Matching regions", "Matching regions (r)", () => {
    covers = !covers;
    drawRegions();
  });
  const stage = make("div", { className: "panes" });
  const said = make("p", { className: "quiet said", role: "status" });
  const record = make("div", { className: "record" });
  dialog.append(
    make(
      "div",
      { className: "viewer-top" },
      before,
      after,
      place,
      make("span", { className: "space" }),
      compare,
      cover,
      button("−", "Zoom out (-)", () => zoom(1 / 1.6)),
      button("+", "Zoom in (+)", () => zoom(1.6)),
      button("Fit", "Fit (0)", whole),
      button("×", "Close", () => dialog.close(), { className: "close" }),
    ),
    make("div", { className: "viewer" }, make("div", { className: "seen" }, stage, said), record),
  );
  dialog.addEventListener("close", () => {
    turn++;
    endPanes();
    record.replaceChildren();
    /** @type {NodeListOf<HTMLAnchorElement>} */
    const links = document.querySelectorAll("#grid a.picture");
    const link = links[at];
    const isTyping = document.activeElement?.matches("input, select, textarea"); // by "/", before this was heard
    if (at >= 0 && !around && link && !isTyping) link.focus();
    actions.closed();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const run = {
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      "+": () => zoom(1.6),
      "=": () => zoom(1.6),
      "-": () => zoom(1 / 1.6),
      0: whole,
      c: () => compare.hidden || compare.click(),
      r: () => cover.hidden || cover.click(),
    }[event.key];
    const by = MOVES[event.key];
    if (event.shiftKey && by) panes.at(-1).move(...by);
    else if (run && !event.shiftKey) run();
    else return;
    event.preventDefault();
  });

  /** Return the id of the work that is seen beside the one that is shown, if there is one. */
  const besideId = () => (compares ? (beside ?? queryOf(actions))?.id : undefined);

  const places = () => around ?? actions.works().map(({ id }) => id);

  /**
   * Show a work; its neighbors are the works shown around it, or those of a set.
   *
   * @param options beside: a work to compare it with; among: ids of the set; compared: with the query;
   *   choices: see `among`.
   */
  function present(opened, { beside: other = null, among = null, compared = false, choices: given = null } = {}) {
    choices = given;
    around = among;
    at = places().indexOf(opened.id);
    beside = other;
    compares = beside !== null || compared;
    covers = false;
    if (!dialog.open) dialog.showModal();
    draw(at < 0 || around ? opened : actions.works()[at]);
    dialog.focus(); // all keys work here, and its name is read
  }

  async function step(by) {
    if (at < 0) return;
    if (by > 0 && !around && at + by >= actions.works().length) await actions.more();
    let to = at + by;
    if (compares && beside && places()[to] === beside.id) to += by; // never next to itself
    const id = places()[to];
    if (id === undefined) return;
    at = to;
    const mine = ++turn;
    const next = around ? await api.work(actions.index(), id).catch(() => ({ id })) : actions.works()[to];
    if (turn !== mine) return;
    draw(next);
    // A button that can no longer be pressed keeps no focus.
    if (inFocus()?.disabled !== false) dialog.focus();
  }

  async function draw(next) {
    work = next;
    actions.shown(work);
    const mine = ++turn;
    const all = places().length;
    title.textContent = headline(work);
    place.replaceChildren(
      at < 0 ? "" : `${count(at + 1)} of ${count(around ? all : actions.total())}`,
      choices ? make("span", { className: "wide" }, " in the group") : "",
    );
    before.disabled = at <= 0;
    after.disabled = at < 0 || (around !== null && at + 1 >= all);
    drawPanes();
    record.replaceChildren(title);
    await drawRecord();
  }

  /** Show what is known of the work, below where it differs from the one beside it. */
  async function drawRecord() {
    const mine = turn;
    const id = besideId();
    try {
      const [found, other] = await Promise.all([work.id, id].map((each) => each && api.work(actions.index(), each)));
      if (turn !== mine || id !== besideId()) return;
      record.replaceChildren(...(other ? [differences(other, found)] : []), title, ...parts(found));
    } catch (error) {
      if (turn === mine) record.append(make("p", { role: "alert" }, error.message));
    }
  }

  function endPanes() {
    panes.forEach((pane) => pane.end());
    panes = [];
    stage.replaceChildren();
  }

  function drawPanes() {
    const hadFocus = stage.contains(document.activeElement);
    endPanes();
    Object.assign(view, wholeView());
    const index = actions.index();
    const query = beside ? { index, id: beside.id, name: described(beside) } : queryOf(actions);
    const isMatch = at >= 0 && !around && actions.isAnswer();
    compare.hidden = !query || (!isMatch && !beside);
    const text = beside ? "Compare with the other work" : "Compare with the query";
    Object.assign(compare, { textContent: text, ariaLabel: text, title: `${text} (c)` });
    cover.hidden = !isMatch && !beside;
    compares &&= !compare.hidden;
    compare.setAttribute("aria-pressed", String(compares));
    const box = boxOf(work);
    const name = box ? `${described(work)}; the detail at the ${whereabouts(box)} is outlined` : described(work);
    const { id, width, height } = work;
    const own = { index, id, width, height, name, box };
    const shown = compares ? [query, own] : [own];
    panes = shown.map((each) => makePane(each, view, drawAll));
    const score = make("span", { className: "quiet" }, ...(isMatch && work.score !== undefined ? scored(work) : []));
    if (compares && beside) {
      const pair = { terms: [{ id: beside.id }], conditions: [{ column: "id", op: "in", value: [work.id] }], k: 1 };
      api.search(index, pair).then(
        ({ matches: [match] }) => match && score.replaceChildren(...scored(match)),
        () => {}, // the pictures are as good without it
      );
    }
    const named = choices ? identified : described; // duplicates have the same title
    const captions = [compares ? captionOf(query, named) : null, make("span", { className: "name" }, named(work))];
    const decided = choices && [...(compares ? [beside] : []), work].map(decisions);
    drawDecisions = () => decided.forEach(({ draw: again }) => again());
    stage.replaceChildren(
      ...panes.map(({ element }, each) =>
        make("figure", {}, element, compares ? make("figcaption", {}, captions[each], panes[each] === panes.at(-1) && score, decided?.[each].element) : null),
      ),
    );
    drawAll();
    if (hadFocus) panes.at(-1).element.focus();
    drawRegions();
  }

  /** Make the buttons that decide about a work of a group of duplicates. */
  function decisions(of) {
    const buttons = choices(of).map(({ text, run, isOn }) => {
      const name = `${text}: ${identified(of)}`;
      const onclick = () => {
        run();
        drawDecisions();
      };
      return [make("button", { type: "button", "aria-label": name, onclick }, text), isOn];
    });
    const draw = () => buttons.forEach(([each, isOn]) => each.setAttribute("aria-pressed", String(isOn())));
    draw();
    return { element: make("span", { className: "does" }, buttons.map(([each]) => each)), draw };
  }

  /** Lay the regions that made the match over the pictures, or take them away. */
  async function drawRegions() {
    covers &&= !cover.hidden;
    cover.setAttribute("aria-pressed", String(covers));
    said.textContent = covers ? "Comparing regions…" : "";
    panes.forEach((pane) => pane.cover(null));
    if (!covers) return;
    const now = panes;
    try {
      const pair = beside && { terms: [{ id: beside.id }], match: work.id };
      const found = await api.why(actions.index(), pair ?? actions.request(work.id));
      if (now !== panes || !covers) return;
      panes.at(-1).cover(found.parts.at(-1).image);
      if (panes.length > 1) panes[0].cover(found.parts[0].image);
      said.textContent = [aboutRegions(found), pair ? `Similarity: ${figures(found)}.` : ""].join(" ");
    } catch (error) {
      if (now === panes) said.textContent = error.message;
    }
  }

  /** Make what is known of a work, and what can be done with it. */
  function parts(found) {
    const does = (text, run) => button(text, text, (event) => {
      dialog.close();
      run(found, event);
    });
    const box = boxOf(work);
    const isQuery = actions.terms().some(({ id }) => id === found.id);
    const buttons = [
      does("Find similar works", actions.go),
      box ? does("Find works similar to this detail", () => actions.detail(found, box)) : null,
      isQuery ? null : does("Add to the query", actions.plus),
      isQuery || !actions.isAnswer() ? null : does("Subtract from the query", actions.minus),
      ...(actions.others?.(found) ?? []),
    ];
    const compareWith = (other) =>
      present(other, { among: [found.id, ...found.others.map(({ id }) => id)], beside: found });
    return recordOf(found, buttons, duplicatesOf(found, actions.index(), compareWith));
  }

  return {
    open: (opened) => present(opened),
    /** Show a work of a set or group; choices(work), if given: what can be decided about one, [{text, run, isOn}]. */
    among: (opened, ids, other, choices) => present(opened, { among: ids, beside: other ?? null, choices }),
    versus: (opened) => present(opened, { compared: true }),
    /** Return whether the query has a picture to compare with. */
    hasQuery: () => queryOf(actions) !== undefined,
    close() {
      if (dialog.open) dialog.close();
    },
  };
}

/** Return what is written under the picture that a work is compared with. */
function captionOf(query, named) {
  const text = make("span", { className: "name" }, query.name);
  const before = query.name.startsWith("Query") ? "Query: " : "";
  if (query.id !== undefined) {
    api.work(query.index, query.id).then(
      (found) => (text.textContent = before + named(found)),
      () => {}, // the name stays
    );
  }
  return text;
}

/** Return score and percentile of a match. */
function figures({ score, percentile: rank }) {
  const found = [`score ${score.toFixed(3)}`, rank === null ? "" : `percentile ${percentile(rank)}`];
  return found.filter(Boolean).join(", ");
}

/** Return the figures of a match after its name, or below it. */
const scored = (match) => [make("span", { className: "dot" }, " · "), figures(match)];

/** Return the first picture of the query, as a pane shows it; undefined if there is none. */
function queryOf(actions) {
  for (const term of actions.terms()) {
    if (term.weight <= 0) continue;
    if (term.id !== undefined) {
      const index = actions.index();
      return { index, id: term.id, name: `Query: ${term.id}`, box: term.crop };
    }
    const src = term.upload && actions.preview(term.upload);
    if (src) return { src, name: "Query: your picture", box: term.crop };
  }
  return undefined;
}
