/** The works below the query: those of the wall, the matches of a query, or the likeliest of a concept. */

import { button, byId, count, described, many, show } from "../basics/dom.js";
import { fail, notify, say } from "../basics/notices.js";
import { MOST } from "../collection/sets.js";
import { PAGE, filters, hasEvidence } from "../visit/state.js";
import { keepFocus, showsWorks } from "../visit/views.js";
import { aboutDetail, aboutNothing, invitation } from "./advice.js";
import { browse, search } from "./answers.js";
import { DIVIDED, aboutCheck, marked } from "./checks.js";
import { answerHeading, howFound, queryName, wallHeading, withoutValue } from "./sentences.js";

const SLOW = 800; // milliseconds after which an answer is said to be coming

/**
 * Make what draws works.
 *
 * @param visit Where the visitor is.
 * @param grid What shows them.
 * @param listing The list of them, for what is above them.
 * @param actions drawTools(); teach(wanted, signal) finds the likeliest works of the concept, or null.
 */
export function makeResults(visit, grid, listing, actions) {
  let left = 0; // works that can still be shown
  let running = null; // the signal that what is shown was drawn under

  const titled = (text) => (document.title = `${text} · ${byId("home").textContent}`);

  /**
   * Draw the works of the state.
   *
   * @param laid Settles when what is above them is drawn, so that they do not move later.
   */
  async function draw(signal, laid) {
    running = signal;
    const { state } = visit;
    const isTaught = state.view === "teach";
    const taught = isTaught ? await actions.teach({ ...filters(state), k: Math.min(state.k, MOST) }, signal) : null;
    if (signal.aborted) return;
    if (taught) drawTaught(taught);
    else await drawFound(signal, laid, !isTaught && state.terms.length > 0);
  }

  /** Show the works that are likely to show the concept. */
  function drawTaught({ matches, searched }) {
    const { find, conditions, lasso } = visit.state;
    show(byId("results"), true);
    grid.render(matches, false);
    listing.set({ total: searched, isRanked: true });
    left = Math.min(searched, MOST) - matches.length;
    const words = find && ` with “${find}”`;
    byId("heading").textContent = `Likeliest works${words}`;
    const isLimited = words || conditions.length || lasso.length;
    const all = () => visit.go({ find: "", conditions: [], lasso: [] });
    byId("summary").replaceChildren(...(isLimited && matches.length ? [button("Rank all works", all)] : []));
    const nothing = `No other works${words || (isLimited ? " meet these conditions" : "")}.`;
    drawEnd(matches.length, () => aboutNothing(visit, { nothing }, "Rank all works"));
    titled("Teach a concept");
  }

  async function drawFound(signal, laid, isAnswer) {
    // The works of the query before stay where they are, but do not pass for the answer.
    const waiting = setTimeout(() => signal.aborted || (byId("heading").textContent = "Searching…"), SLOW);
    let found;
    try {
      found = isAnswer ? await searched(signal) : await browse(visit, signal);
    } finally {
      clearTimeout(waiting);
    }
    const advice = isAnswer ? await aboutDetail(visit) : [];
    await laid;
    if (signal.aborted) return;
    show(byId("results"), true);
    const heading = isAnswer ? drawAnswer(found, advice) : drawWall(found);
    drawEnd(grid.works().length, () => aboutNothing(visit, found));
    titled(isAnswer ? `Similar to ${queryName(found)}` : heading);
    say(
      grid.works().length
        ? [heading, isAnswer && byId("summary").textContent].filter(Boolean).join(". ")
        : found.nothing,
    );
  }

  /** Search; if the details of the matches cannot be checked, they are shown as they were. */
  async function searched(signal) {
    const stop = () => visit.go({ verified: false });
    try {
      return await search(visit, signal, stop);
    } catch (error) {
      if (signal.aborted || !visit.isChecked) throw error;
      fail(error);
      visit.amend({ verified: false });
      return search(visit, signal, stop);
    }
  }

  function drawAnswer(found, advice) {
    const { isChecked, state } = visit;
    const matches = found.matches.slice(0, state.k);
    const works = isChecked ? matches.map(marked) : matches;
    grid.render(works, true, isChecked && works.some(hasEvidence) ? DIVIDED : {});
    const all = isChecked ? found.matches.length : found.searched - found.left_out;
    const isWhole = works.length < state.k;
    left = isWhole ? 0 : Math.min(all, MOST) - works.length;
    listing.set({ answer: found, total: isWhole ? works.length : all, isRanked: true });
    const heading = answerHeading(found, works, visit);
    byId("heading").textContent = heading;
    byId("summary").replaceChildren(
      howFound(found, visit),
      ...(works.length ? advice : []),
      ...aboutCheck(found, visit),
    );
    byId("summary").title = `Compared by ${found.by}`;
    return heading;
  }

  function drawWall(found) {
    const { works } = found;
    const { k, view } = visit.state;
    grid.render(works, false);
    const isWhole = works.length < k;
    left = isWhole ? 0 : found.total - works.length;
    listing.set({ total: isWhole ? works.length : found.total });
    const heading = wallHeading(found);
    byId("heading").textContent = heading;
    const lost = withoutValue(found.unknown).map((each) => `${each}.`);
    const said = [...lost, works.length ? invitation(visit.index) : ""].join(" ");
    byId("summary").replaceChildren(...(view === "teach" ? [] : [said]));
    byId("summary").title = "";
    return heading;
  }

  /** Say how many of the works are shown, or why there are none; draw the tools. */
  function drawEnd(shown, nothing) {
    const { total } = listing;
    show(byId("nothing"), !shown);
    byId("nothing").replaceChildren(...(shown ? [] : nothing()));
    const line = byId("more");
    show(line, shown > 1);
    line.textContent =
      shown >= total
        ? `Showing all ${many(shown, "work")}`
        : `Showing ${count(shown)} of ${count(total)}${left > 0 ? "" : ", the most similar"}`;
    actions.drawTools();
  }

  /** Draw no works: they could not be found. */
  function drawNone() {
    show(byId("results"), true);
    left = 0;
    listing.set({ total: 0 });
    grid.render([], false);
    byId("heading").textContent = "";
    byId("summary").textContent = "";
    show(byId("nothing"), false);
    show(byId("more"), false);
    byId("tools").replaceChildren();
  }

  /** Show more works; return whether there may be still more. Back does not take them away. */
  async function more() {
    const { view, k } = visit.state;
    if (!showsWorks(view) || left <= 0 || document.body.classList.contains("busy")) return false;
    const signal = running;
    visit.amend({ k: k + Math.min(PAGE, left) });
    try {
      await draw(signal);
    } catch (error) {
      if (!signal.aborted) {
        visit.amend({ k });
        left = 0;
        fail(error);
      }
    }
    return !signal.aborted && left > 0;
  }

  /** Leave a work out of the answer; the focus stays where it was. */
  async function hide(work, place) {
    const { exclude, k } = visit.state;
    await visit.go({ exclude: [...exclude, work.id], k });
    grid.focus(Math.min(place, grid.works().length - 1));
    notify(`Hidden: ${described(work)}`, "Undo", undo);
  }

  async function undo() {
    const { exclude, k } = visit.state;
    await visit.go({ exclude: exclude.slice(0, -1), k });
    keepFocus(visit.state.view);
  }

  return { draw, drawNone, more, hide };
}
