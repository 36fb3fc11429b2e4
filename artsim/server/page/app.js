/** The page: the query is a state, the state is in the address, and everything is drawn from it. */

import * as api from "./api.js";
import { chipsOf, makeChips } from "./chips.js";
import { MOST, makeCollection } from "./collect.js";
import { makeDialogs } from "./dialog.js";
import { byId, columnName, commands, count, described, dropWaiting, inFocus, later, make, many, openMenus, shortName, show } from "./dom.js";
import { makeDuplicates } from "./duplicates.js";
import { cardsOf, makeGrid } from "./grid.js";
import { makeMapView } from "./mapview.js";
import { makeQuerybar } from "./querybar.js";
import { makeRefine } from "./refine.js";
import { whenNear } from "./scrolling.js";
import * as states from "./state.js";
import { EXPORTS, button, copyLink, download, exportMenu, saveWorks, setSize, sizes } from "./tools.js";
import { makeTeach } from "./teach.js";
import { makeTray } from "./tray.js";
import { makeUploads } from "./uploads.js";
import { makeViewer } from "./viewer.js";
import { makeViewing } from "./viewing.js";

const REMEMBERED = 30; // answers, for going back
const SIMILAR = 90; // a percentile below which a match is not called similar
const FEW = 20; // works of an index, below which percentiles say little
const BY_PARTS = "Of each work, the part that is most similar counts.";
const UNMARKED = ", so no part is marked and no percentile is shown"; // of a match that was checked
const EDGE = 8; // pixels between a menu and the window's edge
const ASK = 500; // milliseconds until the page asks again how far a check is
const SLOW = 800; // milliseconds after which an answer is said to be coming
const TYPING = 250; // milliseconds without a key after which words are looked for

const PLACES = { map: "map", duplicates: "duplicates" }; // ids of what a view shows instead of works

let indexes = [];
let state = states.START;
let answer = null; // the last one, to be exported
let left = 0; // works that can still be shown
let total = 0; // works of the list, those included that are not shown yet
let relations = []; // conditions that come with the query: values are counted among its matches
let isRanked = false; // whether they are ranked: then those that are shown are exported
let laid = null; // settles when what is above the works is drawn, so that they do not move later
let lookAgain = () => {}; // whether more works can be shown
let isLeaving = false; // while Back takes the page to another state
let running = new AbortController();
const answers = new Map(); // by their query
const isTouched = matchMedia("(hover: none)").matches; // no mouse, and likely no keys

const index = () => indexes.find((each) => each.name === state.index);

// --- what can be done ---------------------------------------------------------------------

/**
 * Go to a changed state; the browser's Back leads to the one before.
 *
 * @param options focus: move the focus to the works; replaces: Back skips the present state.
 */
function change(changes, { focus = false, replaces = false } = {}) {
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
  return render({ focus });
}

// A new query looks through all works that meet the filters: words found its work, and have done their part.
const query = (terms) => ({
  view: "wall",
  any: false,
  terms,
  details: states.looksInside(terms, index()),
  find: "",
});
const likeIt = (work, more = {}) => query([{ id: work.id, weight: 1, ...more }]);

// A click without a mouse was a key: the focus goes with it.
const go = (work, event) => change(likeIt(work), { focus: event.detail === 0 });

function add(terms, weight = 1) {
  const ids = new Set(terms.map((term) => term.id).filter(Boolean));
  const others = state.terms.filter((term) => !ids.has(term.id));
  const all = [...others, ...terms.map((term) => ({ ...term, weight }))];
  // Words that narrow a query down stay with what is added to it.
  change({ view: "wall", terms: all, ...(state.terms.length ? {} : { find: "" }) });
}

const detail = (work, crop) => change(likeIt(work, { crop }));

/** Leave a work out of the answer; the focus stays where it was. */
async function hide(work, place) {
  await change({ exclude: [...state.exclude, work.id], k: state.k });
  grid.focus(Math.min(place, grid.works().length - 1));
  notify(`Hidden: ${described(work)}`, "Undo", undo);
}

/** Say what was done, above the end of the window, and offer the way back. */
function notify(text, back, run) {
  byId("done").textContent = text;
  const button = byId("undo");
  button.textContent = back;
  button.onclick = run;
  show(byId("notice"), true);
  say(`${text}; ${byId("heading").textContent}`);
}

async function undo() {
  await change({ exclude: state.exclude.slice(0, -1), k: state.k });
  keepFocus();
}

const plus = (work) => add([{ id: work.id }]);
const minus = (work) => add([{ id: work.id }], -1);
const say = (text) => {
  byId("status").textContent = text;
};

function fail(error) {
  if (error.name === "AbortError") return;
  byId("error").firstElementChild.textContent = error.message;
  show(byId("error"), true);
}

/** Give the focus to the works, or the map, if what had it is gone. */
function keepFocus() {
  if (document.activeElement && document.activeElement !== document.body) return;
  byId(PLACES[state.view] ?? "results").focus({ preventScroll: true });
}

// --- parts --------------------------------------------------------------------------------

const viewing = makeViewing({
  open: async (id) => {
    try {
      viewer.open(await api.work(state.index, id));
    } catch (error) {
      fail(error);
    }
  },
});
const actions = {
  index: () => state.index,
  href: (work) => states.address({ ...state, ...likeIt(work), k: states.PAGE }),
  go,
  plus,
  minus,
  hide,
  detail,
  isAnswer: () => state.terms.length > 0,
  queries: () => answer?.queries ?? [],
  terms: () => state.terms,
  preview: (upload) => uploads.preview(upload),
  request: (match) => ({ ...states.request(state), match }),
  works: () => grid.works(),
  total: () => total,
  more: () => more(),
  shown: viewing.shown,
  closed: () => {
    keepFocus();
    viewing.closed();
  },
  mark: (work) => [collection.star(work), teach.marks(work)],
  others: (work) => [
    collection.entry(work),
    ...(state.view === "teach" ? teach.entries(work) : []),
  ],
};
const dialogs = makeDialogs(byId("dialog"), actions);
const viewer = makeViewer(byId("viewer"), actions);
const grid = makeGrid(byId("grid"), { ...actions, details: viewer.open, why: dialogs.why, ...viewer });
const refine = makeRefine(byId("refine"), {
  changed: (changed) => change({ conditions: changed(state.conditions) }),
  values: (column, containing) =>
    api.values(state.index, { ...states.filters(state), relations, column, containing }),
  close: closeRefine,
});
const uploads = makeUploads({
  index: () => state.index,
  ready: () => started,
  isAllowed: () => index()?.pictures,
  ask: (terms, isAdded) =>
    isAdded
      ? add(terms)
      : change(query(terms.map((term) => ({ ...term, weight: 1 })))),
  say,
  fail,
});
const tray = makeTray(byId("tray"), {
  change,
  choose: () => uploads.choose(true),
  details: viewer.open,
  preview: uploads.preview,
});
const querybar = makeQuerybar(byId("querybar"), { change, details: viewer.open, preview: uploads.preview });
const chips = makeChips(byId("chips"), change);
const picked = {
  index,
  details: viewer.open,
  among: viewer.among,
  saved: reload,
  say,
  fail,
  question: dialogs.ask,
};
const teach = makeTeach(byId("teach"), {
  ...picked,
  filters: () => states.filters(state),
  changed: () => render(),
});
const collection = makeCollection(byId("collection"), {
  ...picked,
  ask: (ids) => change(query(ids.map((id) => ({ id, weight: 1 })))),
  teach: async (ids) => {
    if (await teach.begin(ids)) change({ view: "teach", terms: [], find: "" });
  },
});
const duplicates = makeDuplicates(byId("duplicates"), picked);
const drawMap = makeMapView(byId("map"), {
  href: (id) => actions.href({ id }),
  go: (id, event) => go({ id }, event),
  change,
  say,
  tools: (met) => {
    total = met;
    return [refineButton(), ...(met ? listTools() : [])];
  },
});

// --- drawing ------------------------------------------------------------------------------

/** Draw the state. Requests for an earlier one are canceled. */
async function render({ focus = false, scroll = 0 } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const isMap = state.view === "map";
  const isAnywhere = document.activeElement && document.activeElement !== document.body;
  if (isMap && !(index().map && byId("map").checkVisibility())) {
    // A visitor who opens the map may have made it just now.
    indexes = await api.indexes().catch(() => indexes);
    if (signal.aborted) return;
  }
  show(byId("error"), false);
  show(byId("notice"), false);
  drawTop();
  const isWorks = !isMap && state.view !== "duplicates";
  if (!isWorks) show(byId("results"), false);
  if (state.view !== "duplicates") duplicates.show(false);
  document.body.classList.toggle("deciding", state.view === "duplicates");
  show(byId("map"), isMap);
  document.body.classList.add("busy");
  const isTaught = state.view === "teach";
  teach.show(isTaught);
  document.body.classList.toggle("teaching", isTaught);
  collection.render();
  const query = shownState();
  querybar(query);
  laid = tray.render(query, index()).then(() => signal.aborted || chips(query, index()));
  try {
    const narrowed = drawRefine(signal);
    narrowed.catch(() => {}); // it is waited for below, unless the works fail first
    if (isWorks) await drawWorks(signal);
    else if (isMap) {
      answer = null;
      isRanked = false;
      await drawMap(state, index(), signal);
    }
    else await drawDuplicates(signal);
    await narrowed;
    // What the works must have in common with the query is known with the answer.
    if (isWorks && answer?.relations.length) await drawRefine(signal, answer.relations);
    if (focus) grid.focus();
    if (scroll) scrollTo({ top: scroll });
  } catch (error) {
    if (signal.aborted) return;
    if (isWorks) drawNone();
    fail(error);
  }
  if (signal.aborted) return;
  document.body.classList.remove("busy");
  if (isAnywhere) keepFocus();
  lookAgain();
}

/** Return the state with the query only where works are compared with it. */
const shownState = () => (state.view === "wall" ? state : { ...state, terms: [] });

/** Return what the search box takes: words, and web addresses of pictures. */
function accepted() {
  const { words, urls, pictures } = index();
  return { words, urls: urls && pictures };
}

/** Read the search box: terms. */
function written(text) {
  const { words, urls } = accepted();
  if (urls && /^https?:\/\//i.test(text)) return [{ url: text, weight: 1 }];
  if (!words) throw new Error("Give the address of a picture: https://…");
  const terms = states.readWords(text);
  if (!terms.some(({ weight }) => weight > 0) && !state.terms.length) {
    throw new Error("Say what to look for, too: boat -sea");
  }
  return terms;
}

function drawTop() {
  if (indexes.length === 1) byId("home").href = states.address({ ...states.START, index: null });
  else byId("home").href = states.address({ ...states.START, index: state.index });
  byId("index").value = state.index;
  const { words, urls } = accepted();
  show(byId("words"), words || urls);
  byId("words").placeholder = [words && "Describe a picture: boat -sea", urls && "Address of a picture"]
    .filter(Boolean)
    .join(", or ");
  byId("words").setAttribute("aria-label", words ? "Search by words" : "Address of a picture");
  show(byId("add-words"), (words || urls) && state.terms.length > 0);
  show(byId("choose"), index().pictures);
  show(byId("find"), index().fields.some(({ type }) => type === "text" || type === "list"));
  if (document.activeElement !== byId("find")) byId("find").value = state.find;
  show(byId("see-map").parentElement, true);
  for (const view of ["wall", "map", "teach", "duplicates"]) {
    byId(`see-${view}`).setAttribute("aria-pressed", String(state.view === view));
  }
}

async function drawRefine(signal, related = []) {
  relations = [...states.others(shownState()), ...related];
  const wanted = { ...states.filters(state), relations };
  const facets = await api.facets(state.index, wanted, signal);
  if (signal.aborted) return;
  document.body.classList.toggle("bare", facets.length === 0);
  refine.render(facets, state.conditions);
}

async function drawWorks(signal) {
  const taught =
    state.view === "teach"
      ? await teach.find({ ...states.filters(state), k: Math.min(state.k, MOST) }, signal)
      : null;
  if (signal.aborted) return;
  if (taught) drawTaught(taught);
  else await drawFound(signal, state.view !== "teach" && state.terms.length > 0);
}

async function drawDuplicates(signal) {
  answer = null;
  await laid;
  await duplicates.show(true, signal);
  document.title = `Duplicates · ${byId("home").textContent}`;
}

/** Show the works that are likely to show the concept. */
function drawTaught({ matches, searched }) {
  show(byId("results"), true);
  answer = null;
  grid.render(matches, false);
  [total, isRanked] = [searched, true];
  left = Math.min(searched, MOST) - matches.length;
  const words = state.find && ` with “${state.find}”`;
  byId("heading").textContent = `Likeliest works${words}`;
  const { conditions, lasso } = state;
  const isLimited = words || conditions.length || lasso.length;
  const all = () => change({ find: "", conditions: [], lasso: [] });
  byId("summary").replaceChildren(...(isLimited && matches.length ? [button("Rank all works", all)] : []));
  show(byId("nothing"), !matches.length);
  const none = `No other works${words || (isLimited ? " meet these conditions" : "")}.`;
  byId("nothing").replaceChildren(...(matches.length ? [] : sayNothing({ nothing: none }, "Rank all works")));
  drawEnd(matches.length);
  drawTools();
  document.title = `Teach a concept · ${byId("home").textContent}`;
}

async function drawFound(signal, isAnswer) {
  // The works of the query before stay where they are, but do not pass for the answer.
  const waiting = setTimeout(() => signal.aborted || (byId("heading").textContent = "Searching…"), SLOW);
  let found;
  try {
    found = isAnswer ? await search(signal) : await browse(signal);
  } finally {
    clearTimeout(waiting);
  }
  const about = isAnswer ? await aboutDetail() : [];
  await laid;
  if (signal.aborted) return;
  show(byId("results"), true);
  answer = isAnswer ? found : null;
  const works = isAnswer ? found.matches.slice(0, state.k).map(withDetail) : found.works;
  const hasSome = isAnswer && isChecked() && works.some(states.hasEvidence);
  grid.render(works, isAnswer, {
    divide: (work) => hasSome && !states.hasEvidence(work),
    below: "Without the detail",
    why: `Their parts do not lie as in the detail${UNMARKED}.`,
  });
  const isWhole = works.length < state.k;
  const all = !isAnswer
    ? found.total
    : isChecked()
      ? found.matches.length
      : found.searched - found.left_out;
  left = isWhole ? 0 : (isAnswer ? Math.min(all, MOST) : all) - works.length;
  total = isWhole ? works.length : all;
  isRanked = isAnswer;
  const heading = !isAnswer
    ? found.total === found.rows
      ? many(found.total, "work")
      : `${count(found.total)} of ${count(found.rows)} works`
    : isChecked() && works.length
      ? hasSome
        ? "Works with the detail"
        : "None has the detail"
      : isFar(found.rows, works)
        ? "Nothing is very similar"
        : !works.length
          ? "No matches"
          : isWhole
            ? `${many(works.length, "work")}, most similar first`
            : "Most similar works";
  byId("heading").textContent = heading;
  const isTaught = state.view === "teach";
  byId("summary").replaceChildren(
    ...(isAnswer
      ? [sentence(howFound(found)), ...(works.length ? about : []), ...checking(found)]
      : isTaught
        ? []
        : [[...withoutValue(found.unknown).map((each) => `${each}.`), works.length ? invitation() : ""].join(" ")]),
  );
  byId("summary").title = isAnswer ? `Compared by ${found.by}` : "";
  show(byId("nothing"), !works.length);
  byId("nothing").replaceChildren(...(works.length ? [] : sayNothing(found)));
  drawEnd(works.length);
  drawTools();
  document.title = `${isAnswer ? `Similar to ${nameOf(found)}` : heading} · ${byId("home").textContent}`;
  say(works.length ? [heading, isAnswer && byId("summary").textContent].filter(Boolean).join(". ") : found.nothing);
}

/**
 * Say why nothing was found, with a chip for each condition; words that were meant are a link.
 *
 * @param {{nothing: string, instead?: string}} found What the server answered.
 * @param {string} [clear] What takes all conditions away.
 */
function sayNothing({ nothing, instead }, clear) {
  const chips = chipsOf(shownState(), state.index, change, clear);
  const list = chips.length > 0 && make("ul", { className: "chips", "aria-label": "Conditions" }, chips);
  if (!instead) return [make("p", {}, nothing), list].filter(Boolean);
  const href = states.address({ ...state, find: instead });
  const onclick = (event) => {
    event.preventDefault();
    change({ find: instead });
  };
  const [before] = nothing.split("did you mean");
  return [make("p", {}, `${before}did you mean `, make("a", { href, onclick }, instead), "?"), list];
}

/** Say how many of the works are shown. */
function drawEnd(shown) {
  const line = byId("more");
  show(line, shown > 1);
  line.textContent =
    shown >= total
      ? `Showing all ${many(shown, "work")}`
      : `Showing ${count(shown)} of ${count(total)}${left > 0 ? "" : ", the most similar"}`;
}

/** Return the name of the query for people: a work by its title. */
function nameOf(found) {
  const [first, ...others] = found.queries;
  const name = first.work ? shortName({ ...first, id: first.name }) : first.name;
  return others.length ? `${name} and ${others.length} more` : name;
}

/** Return whether even the best match is no more similar than many others are. */
const isFar = (rows, [best]) => rows >= FEW && (best?.percentile ?? 100) < SIMILAR;

/** Describe among what an answer was found, and how: the query itself is not counted. */
function howFound({ rows, searched, left_out: skipped, missing, unknown, matches }) {
  const nearest = isFar(rows, matches) && !isChecked() ? "The nearest among" : "Among";
  const others = count(searched - skipped);
  const [one, all] = skipped ? ["other work", "other works"] : ["work", "works"];
  const some = searched - skipped === 1 ? one : all;
  const among =
    searched === rows
      ? `${others} ${some}`
      : `the ${others} ${some} of ${count(rows)} that meet the conditions`;
  const { taps } = index();
  const names = Object.keys(state.by).length ? Object.keys(state.by) : [taps[0].name];
  const titles = names.map((name) => taps.find((tap) => tap.name === name)?.title ?? name);
  const hasSome = searched > skipped;
  return [
    hasSome ? `${nearest} ${among}` : null,
    hasSome && taps.length > 1 && !state.details ? `compared by ${titles.join(" and ").toLowerCase()}` : null,
    missing ? `${many(missing, "work")} left out, not in every index compared` : null,
    ...withoutValue(unknown),
  ]
    .filter(Boolean)
    .join("; ");
}

const sentence = (text) => (text ? `${text}. ` : "");

/** Say that the right work may not come first, and what would help. */
function tooSmall() {
  const tiles = states.tilesFor(state.terms);
  const more = tiles ? `, or embed with --tiles ${tiles}` : "";
  return `The detail is smaller than the parts of works that were embedded, so the right work may not come first; draw a larger one${more}. `;
}

/** Say that a detail is compared with whole pictures or larger parts, and what would find it. */
async function aboutDetail() {
  if (!states.hasDetail(state.terms)) return [];
  if (state.details) return [states.isSmall(state.terms, index()) && tooSmall(), !isChecked() && BY_PARTS].filter(Boolean);
  const said = "The detail is compared with whole pictures; to find works that contain it, ";
  if (index().tiles) return [`${said}tick “Find works that contain it as a detail”.`];
  for (const other of indexes.filter(({ tiles }) => tiles)) {
    const there = await elsewhere(other);
    if (!there.terms.length) continue;
    const onclick = (event) => {
      event.preventDefault();
      change(there);
    };
    const href = states.address({ ...state, ...there });
    return [said, make("a", { href, onclick }, `choose ${other.name}`), "."];
  }
  const { collection, path } = index();
  const embed = `artsim embed ${collection} --tiles ${states.tilesFor(state.terms) || 8} -o ${path}-tiles`;
  const all = [...indexes.map((each) => each.path), `${path}-tiles`];
  return [
    `${said}make a second index with tiles, stop this server with Ctrl-C, and start it again with that index too (repeat options such as --port):`,
    commands(embed, `artsim serve ${all.join(" ")}`),
  ];
}

/** Return the changes that lead to another index: with the query, if all of it can be asked there. */
async function elsewhere(other) {
  const asked = await Promise.all(state.terms.map((term) => canAsk(term, other)));
  const start = { ...states.START, index: other.name };
  return state.terms.length && asked.every(Boolean) ? states.moved(state, other) : start;
}

/** Go to another index; if the query cannot be asked there, that is said. */
async function goElsewhere(name) {
  const { index: before, terms } = state;
  const there = await elsewhere(indexes.find((each) => each.name === name));
  await change(there);
  if (!terms.length || there.terms.length || state.index !== name || state.terms.length) return;
  const isOne = terms.length === 1 && terms[0].id !== undefined;
  const lost = isOne ? `The work you searched with is not in ${name}` : `${name} cannot be searched with this query`;
  notify(lost, `Back to ${before}`, () => history.back());
}

/** Return whether another index has a part of the query; the same id may be of another work there. */
async function canAsk({ id, text, url }, other) {
  if (text !== undefined) return other.words;
  if (id === undefined) return other.pictures && (url === undefined || other.urls);
  const works = [index(), other].map(({ name }) => api.work(name, id));
  const [here, there] = await Promise.all(works).catch(() => [{}, null]);
  return there !== null && ["title", "width", "height"].every((name) => here[name] === there[name]);
}

/** Say how many works have no value in the columns of conditions, so that none meets them. */
function withoutValue(unknown) {
  return Object.entries(unknown).map(([name, works]) => {
    const [have, them] = works === 1 ? ["has", "it"] : ["have", "them"];
    return `${many(works, "work")} ${have} no ${columnName(name).toLowerCase()}, so conditions on it leave ${them} out`;
  });
}

const isChecked = () => state.verified && states.canVerify(state, index());

/** Offer to check the best matches, or say what the check found. */
function checking({ matches, searched }) {
  if (!states.canVerify(state, index()) || !matches.length) return [];
  if (!isChecked()) {
    const name = `Check the details of ${searched > states.CHECKED ? `the best ${states.CHECKED}` : "all"}`;
    const title = "Put works first in which the parts of the detail lie in the same way";
    return [" ", button(name, () => change({ verified: true }), title)];
  }
  const found = matches.filter(states.hasEvidence).length;
  const some = found ? `${count(found)} ${found === 1 ? "has" : "have"}` : "none has";
  return [
    `Of ${many(matches.length, "match", "matches")} that were checked, ${some} parts that lie as in the detail${found ? "" : UNMARKED}. `,
    button("Undo the check", () => change({ verified: false })),
  ];
}

/** Return a match; one that was checked and has not the detail shows no place of it. */
const withDetail = (match) =>
  isChecked() && !states.hasEvidence(match) ? { ...match, box: null } : match;

function invitation() {
  const picture = isTouched ? ", or upload a picture" : ", or drop a picture anywhere";
  return `Choose a work to see similar ones${index().pictures ? picture : ""}.`;
}

function drawNone() {
  show(byId("results"), true);
  answer = null;
  left = total = 0;
  grid.render([], false);
  byId("heading").textContent = "";
  byId("summary").textContent = "";
  show(byId("nothing"), false);
  show(byId("more"), false);
  byId("tools").replaceChildren();
}

async function search(signal) {
  const request = states.request(state);
  if (isChecked()) request.k = states.CHECKED;
  const key = JSON.stringify([state.index, request, isChecked()]);
  if (answers.has(key)) return remember(key, answers.get(key));
  if (!isChecked()) return remember(key, await api.search(state.index, request, signal));
  try {
    return remember(key, await verified(state.index, request, signal));
  } catch (error) {
    if (signal.aborted) throw error;
    fail(error); // the matches are shown as they were
    state = { ...state, verified: false };
    history.replaceState(history.state, "", states.address(state));
    return search(signal);
  }
}

/** Wait until the matches are checked, and say how many are. */
async function verified(name, request, signal) {
  for (;;) {
    const found = await api.verified(name, request, signal);
    if (found.answer) return found.answer;
    if (found.state === "failed") throw new Error(found.reason);
    show(byId("results"), true);
    const stop = button("Stop", () => change({ verified: false }));
    const said = `Checking the details of the best matches: ${count(found.done)} of ${count(found.works)}. `;
    const bar = make("progress", { max: found.works, value: found.done, "aria-label": said });
    if (byId("summary").contains(document.activeElement)) byId("results").focus({ preventScroll: true });
    byId("summary").replaceChildren(said, bar, " ", stop);
    await new Promise((done) => setTimeout(done, ASK));
    signal.throwIfAborted();
  }
}

/** Return the first works of the wall; what is shown already is not requested again. */
async function browse(signal, most = state.k) {
  const key = JSON.stringify([state.index, states.filters(state), state.seed]);
  let { works, ...counts } = answers.get(key) ?? { total: Infinity, works: [] };
  while (works.length < Math.min(most, counts.total)) {
    const limit = Math.min(200, most - works.length);
    const wanted = { ...states.filters(state), offset: works.length, limit, seed: state.seed };
    const { works: more, ...now } = await api.browse(state.index, wanted, signal);
    const isChanged = works.length > 0 && now.rows !== counts.rows; // embedded again: from the start
    counts = now;
    works = isChanged ? [] : [...works, ...more];
    if (!isChanged && !more.length) break;
  }
  remember(key, { ...counts, works });
  return { ...counts, works: works.slice(0, most) };
}

function remember(key, found) {
  answers.delete(key);
  answers.set(key, found);
  if (answers.size > REMEMBERED) answers.delete(answers.keys().next().value);
  return found;
}

/** Show more works; return whether there may be still more. Back does not take them away. */
async function more() {
  if (state.view in PLACES || left <= 0 || document.body.classList.contains("busy")) return false;
  const before = state;
  const { signal } = running;
  state = { ...state, k: state.k + Math.min(states.PAGE, left) };
  history.replaceState(history.state, "", states.address(state));
  try {
    await drawWorks(signal);
  } catch (error) {
    if (!signal.aborted) {
      state = before;
      left = 0;
      fail(error);
    }
  }
  return !signal.aborted && left > 0;
}

// --- tools --------------------------------------------------------------------------------

/** Make the button that shows the facets where there is no room next to the works. */
function refineButton() {
  const { body } = document;
  const set = state.conditions.length;
  const opener = button(`Refine${set ? ` (${set})` : ""}`, () => {
    const open = body.classList.toggle("refining");
    opener.setAttribute("aria-expanded", String(open));
    if (open) byId("refine").querySelector("input, summary, button")?.focus();
  });
  opener.className = "refine-button";
  opener.setAttribute("aria-expanded", String(body.classList.contains("refining")));
  opener.setAttribute("aria-controls", "refine");
  return opener;
}

function closeRefine() {
  document.body.classList.remove("refining");
  /** @type {NodeListOf<HTMLButtonElement>} */
  const openers = document.querySelectorAll("main .refine-button");
  for (const opener of openers) {
    opener.setAttribute("aria-expanded", "false");
    opener.focus(); // the one that is shown takes it
  }
}

let drawn = ""; // the state of the tools

/** Say which works of the list are exported and collected: those shown of a ranking, else all. */
function extent() {
  const some = isRanked ? grid.works().length : Math.min(total, MOST);
  if (some === total) return some === 1 ? "it" : `all ${count(some)}`;
  return isRanked ? `the ${count(some)} shown` : `the first ${count(some)}`;
}

/** Make the menu and the button that take the works of the list elsewhere. */
function listTools() {
  const isTaught = state.view === "teach";
  const kinds = answer ? { ...EXPORTS, json: "JSON" } : EXPORTS;
  const collect = async () => collection.add(await listed());
  return [
    // A concept has a menu of its own, with the scores of its works.
    ...(isTaught && isRanked ? [] : [exportMenu(exportAs, kinds, () => exported())]),
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
  ];
}

const exported = () => [total === 1 ? "Exports the work." : `Exports ${extent()} works.`];

/** Return the works that `extent` names. */
const listed = async () => (isRanked ? grid.works() : (await browse(undefined, MOST)).works);

function drawTools() {
  const isAnswer = answer !== null;
  const now = `${isAnswer} ${isRanked} ${Math.min(total, 2)} ${state.conditions.length}`;
  if (total) byId("tools").querySelector("[data-keep=collect]")?.replaceChildren(`Collect ${extent()}`);
  if (drawn === now && byId("tools").children.length) return; // a menu may be open
  drawn = now;
  const isInside = byId("tools").contains(document.activeElement);
  const shuffle = () => change({ seed: 1 + Math.floor(Math.random() * 9999) });
  byId("tools").replaceChildren(
    refineButton(),
    ...(total ? listTools() : []),
    ...(isRanked || total < 2 ? [] : [button("Shuffle", shuffle, "Show in another order")]),
    button("Copy link", async ({ target }) =>
      say(await copyLink(target, !state.terms.some((term) => term.upload))),
    ),
    ...(isTouched ? [] : [button("Keys", dialogs.keys)]),
    sizes(),
  );
  if (isInside) byId("tools").querySelector("button:not(.refine-button), summary").focus();
}

async function exportAs(kind) {
  document.body.classList.add("busy");
  try {
    if (!answer || isChecked() || kind === "zip") {
      const filters = [...byId("chips").querySelectorAll(".filter > span")].map((each) => each.title);
      const name = (answer ? document.title : filters.join(", ") || byId("home").textContent).slice(0, 90);
      await saveWorks(kind, state.index, name, (await listed()).map(({ id }) => id));
    } else if (kind === "json") {
      download(new Blob([JSON.stringify(answer, null, 1)], { type: "application/json" }), "artsim.json");
    } else {
      const file = await api.exported(state.index, kind, states.request(state));
      download(file, `artsim.${kind === "iiif" ? "manifest.json" : kind}`);
    }
    say("Saved");
  } catch (error) {
    fail(error);
  }
  document.body.classList.remove("busy");
}

// --- the visitor --------------------------------------------------------------------------

function listen() {
  byId("home").addEventListener("click", (event) => {
    event.preventDefault();
    change({ ...states.START, index: state.index });
  });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = byId("words").value.trim();
    if (!text || document.activeElement === byId("find")) return;
    try {
      const terms = written(text);
      const isAdded = event.submitter === byId("add-words");
      byId("words").value = "";
      change({ view: "wall", any: false, terms: isAdded ? [...state.terms, ...terms] : terms });
    } catch (error) {
      fail(error);
    }
  });
  const suggest = later(TYPING, async () => {
    const text = byId("words").value.trim();
    const found = index().words && text ? await api.suggestions(state.index, text).catch(() => []) : [];
    byId("suggestions").replaceChildren(...found.map((value) => make("option", { value })));
  });
  byId("words").addEventListener("input", suggest);
  let typed = null; // the state that the words being typed led to
  const look = later(TYPING, () => {
    const find = byId("find").value.trim();
    if (find === state.find) return;
    change({ find }, { replaces: typed === state });
    typed = state;
  });
  byId("find").addEventListener("input", look);
  byId("index").addEventListener("change", () => goElsewhere(byId("index").value));
  byId("see-wall").addEventListener("click", () => change({ view: "wall" }));
  byId("see-map").addEventListener("click", () => change({ view: "map" }));
  byId("see-teach").addEventListener("click", () => change({ view: "teach" }));
  byId("see-duplicates").addEventListener("click", () => change({ view: "duplicates" }));
  byId("error")
    .querySelector("button")
    .addEventListener("click", () => {
      show(byId("error"), false);
      keepFocus();
    });
  document.addEventListener("keydown", shortcuts);
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) {
      if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
    }
  });
  document.addEventListener("click", oneClick, true);
  document.addEventListener("toggle", openInView, true);
  addEventListener("popstate", leave);
  byId("grid").addEventListener("keydown", pick);
  lookAgain = whenNear(byId("more"), more);
}

/** Take a double click for one: what it sets is not taken away again. */
function oneClick(event) {
  if (event.detail > 1 && event.target.closest("button[aria-pressed]")) event.stopPropagation();
}

/** Move what a menu opened into the window, above the bar of the collection. */
function openInView({ target }) {
  if (!target.matches("details.menu") || !target.open) return;
  requestAnimationFrame(() => {
    const panel = target.querySelector(":scope > div");
    if (!panel) return;
    panel.style.translate = "none";
    const { left, right, top, bottom } = panel.getBoundingClientRect();
    const bar = byId("collection").getBoundingClientRect();
    const end = (bar.height && !byId("collection").contains(target) ? bar.top : innerHeight) - EDGE;
    const width = document.documentElement.clientWidth - EDGE;
    const across = Math.max(Math.min(0, width - right), EDGE - left);
    const down = Math.max(Math.min(0, end - bottom), EDGE - top);
    panel.style.translate = `${across}px ${down}px`;
  });
}

/** Follow Back or Forward. What was typed and not yet looked for is dropped. */
function leave(event) {
  if (viewing.isBack()) return;
  isLeaving = true;
  dropWaiting();
  if (inFocus()?.matches("input:not([type=checkbox])")) inFocus().blur();
  isLeaving = false;
  state = states.read(location.search, event.state, indexes);
  viewer.close();
  dialogs.close();
  render({ scroll: event.state?.scroll }).then(keepFocus).then(viewing.open);
}

function shortcuts(event) {
  const isTyping = event.target.closest(
    "input:not([type=checkbox]):not([type=range]), select, textarea",
  );
  if (event.key === "Escape") {
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    if (document.body.classList.contains("refining")) closeRefine();
    collection.giveUp();
    show(byId("error"), false);
    if (isTyping) byId(PLACES[state.view] ?? "results").focus({ preventScroll: true });
    return;
  }
  const isOver = document.querySelector("dialog[open]") !== null;
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || isOver) return;
  if (event.key === "/") {
    event.preventDefault();
    ["words", "find", "choose"].map(byId).find((each) => !each.hidden)?.focus();
  } else if (event.key === "?") dialogs.keys();
  else if (event.key === "u" && !byId("notice").hidden) byId("undo").click();
  else if (event.key.startsWith("Arrow") && !(state.view in PLACES)) {
    if (![document.body, byId("results")].includes(event.target)) return;
    event.preventDefault();
    grid.enter();
  }
}

/** Collect or mark the work that has the focus. */
async function pick(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const item = event.target.closest("li");
  const place = cardsOf(byId("grid")).indexOf(item);
  const work = grid.works()[place];
  if (!work) return;
  if (event.key === "s") collection.toggle(work);
  else if (state.view === "teach" && ["y", "n"].includes(event.key)) {
    await teach.mark(work, event.key === "y" ? "yes" : "no");
    grid.focus(Math.min(place, grid.works().length - 1));
  }
}

/** Read what the indexes have, after something was saved. */
async function reload() {
  indexes = await api.indexes();
  await render();
}

async function start() {
  history.scrollRestoration = "manual";
  setSize();
  try {
    indexes = await api.indexes();
  } catch (error) {
    fail(error);
    return;
  }
  byId("index").append(
    ...indexes.map(({ name, rows }) => make("option", { value: name }, `${name} (${count(rows)})`)),
  );
  show(byId("indexes"), indexes.length > 1);
  state = states.read(location.search, history.state, indexes);
  listen();
  await render({ scroll: history.state?.scroll });
  await viewing.open();
}

const started = start();
