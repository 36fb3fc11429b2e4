/** The page: the query is a state, the state is in the address, and everything is drawn from it. */

import * as api from "./api.js";
import { makeDialogs } from "./dialog.js";
import { byId, count, described, later, make, many, show } from "./dom.js";
import { makeGrid } from "./grid.js";
import { makeMapView } from "./mapview.js";
import { makeRefine } from "./refine.js";
import * as states from "./state.js";
import { makeTray } from "./tray.js";
import { makeUploads } from "./uploads.js";

const REMEMBERED = 30; // answers, for going back
const MOST = 500; // works shown at most

let indexes = [];
let state = states.START;
let answer = null; // the last one, to be exported
let running = new AbortController();
const answers = new Map(); // by their query
const isTouched = matchMedia("(hover: none)").matches; // no mouse, and likely no keys

const index = () => indexes.find((each) => each.name === state.index);

// --- what can be done ---------------------------------------------------------------------

/** Go to a changed state; the browser's Back leads to the one before. */
function change(changes, { focus = false } = {}) {
  const narrows = Object.keys(changes).some((key) => key !== "k" && key !== "color");
  if (narrows && changes.k === undefined) changes = { ...changes, k: states.PAGE };
  history.replaceState({ ...history.state, scroll: scrollY }, "");
  state = { ...state, ...changes };
  const address = states.address(state);
  const kept = states.keep(state);
  if (kept || address !== location.pathname + location.search) history.pushState(kept, "", address);
  if (changes.terms) scrollTo({ top: 0 });
  return render({ focus });
}

const likeIt = (work) => ({ view: "wall", terms: [{ id: work.id, weight: 1 }], any: false });

// A click without a mouse was a key: the focus goes with it.
const go = (work, event) => change(likeIt(work), { focus: event.detail === 0 });

function add(terms, weight = 1) {
  const ids = new Set(terms.map((term) => term.id).filter(Boolean));
  const others = state.terms.filter((term) => !ids.has(term.id));
  change({ view: "wall", terms: [...others, ...terms.map((term) => ({ ...term, weight }))] });
}

const detail = (work, crop) =>
  change({ view: "wall", terms: [{ id: work.id, weight: 1, crop }], any: false });

/** Leave a work out of the answer; the focus stays where it was. */
async function hide(work, place) {
  await change({ exclude: [...state.exclude, work.id], k: state.k });
  grid.focus(Math.min(place, grid.length() - 1));
  byId("hidden").textContent = `Hidden: ${described(work)}`;
  show(byId("notice"), true);
  say(`${byId("hidden").textContent}; ${byId("heading").textContent}`);
}

const undo = () => change({ exclude: state.exclude.slice(0, -1), k: state.k });

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

// --- parts --------------------------------------------------------------------------------

const dialogs = makeDialogs(byId("dialog"), {
  index: () => state.index,
  go,
  plus,
  minus,
  detail,
  canSubtract: () => state.terms.length > 0,
  queries: () => answer?.queries ?? [],
  request: (match) => ({ ...states.request(state), match }),
});
const grid = makeGrid(byId("grid"), {
  index: () => state.index,
  href: (work) => states.address({ ...state, ...likeIt(work), k: states.PAGE }),
  go,
  plus,
  minus,
  details: dialogs.details,
  why: dialogs.why,
  hide,
});
const refine = makeRefine(
  byId("refine"),
  () => index().fields,
  (conditions) => change({ conditions }),
  closeRefine,
);
const uploads = makeUploads({
  index: () => state.index,
  ready: () => started,
  isAllowed: () => index()?.pictures,
  ask: (terms, isAdded) =>
    isAdded
      ? add(terms)
      : change({ view: "wall", any: false, terms: terms.map((term) => ({ ...term, weight: 1 })) }),
  say,
  fail,
});
const tray = makeTray(byId("tray"), {
  change,
  choose: () => uploads.choose(true),
  details: dialogs.details,
  preview: uploads.preview,
});
const drawMap = makeMapView(byId("map"), {
  href: (id) => states.address({ ...state, ...likeIt({ id }), k: states.PAGE }),
  go: (id, event) => go({ id }, event),
  change,
  say,
  refineButton,
});

// --- drawing ------------------------------------------------------------------------------

/** Draw the state. Requests for an earlier one are canceled. */
async function render({ focus = false, scroll = 0 } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const isMap = state.view === "map";
  show(byId("error"), false);
  show(byId("notice"), false);
  drawTop();
  show(byId("results"), !isMap);
  show(byId("map"), isMap);
  document.body.classList.add("busy");
  tray.render(isMap ? { ...state, terms: [] } : state, index());
  try {
    const narrowed = drawRefine(signal);
    narrowed.catch(() => {}); // it is waited for below, unless the works fail first
    await (isMap ? drawMap(state, index(), signal) : drawWorks(signal));
    await narrowed;
    if (focus) grid.focus();
    if (scroll) scrollTo({ top: scroll });
  } catch (error) {
    if (signal.aborted) return;
    if (!isMap) drawNone();
    fail(error);
  }
  if (!signal.aborted) document.body.classList.remove("busy");
}

/** Return what the search box takes: words, and web addresses of pictures. */
function accepted() {
  const { words, urls, pictures } = index();
  return { words, urls: urls && pictures };
}

/** Read the search box. */
function written(text) {
  const { words, urls } = accepted();
  if (urls && /^https?:\/\//i.test(text)) return { url: text };
  if (!words) throw new Error("Give the address of a picture: https://…");
  return { text };
}

function drawTop() {
  byId("home").textContent = state.index ?? "artsim";
  byId("home").href = states.address({
    ...states.START,
    index: indexes.length > 1 ? state.index : null,
  });
  byId("index").value = state.index;
  const { words, urls } = accepted();
  show(byId("words"), words || urls);
  byId("words").placeholder = [words && "Describe a picture", urls && "Address of a picture"]
    .filter(Boolean)
    .join(", or ");
  byId("words").setAttribute("aria-label", words ? "Search by words" : "Address of a picture");
  show(byId("add-words"), (words || urls) && state.terms.length > 0);
  show(byId("choose"), index().pictures);
  show(byId("see-map").parentElement, index().map || state.view === "map");
  for (const view of ["wall", "map"]) {
    byId(`see-${view}`).setAttribute("aria-pressed", String(state.view === view));
  }
}

async function drawRefine(signal) {
  const facets = await api.facets(state.index, state.conditions, signal);
  if (!signal.aborted) refine.render(facets, state.conditions);
}

async function drawWorks(signal) {
  const isAnswer = state.terms.length > 0;
  const found = isAnswer ? await search(signal) : await browse(signal);
  if (signal.aborted) return;
  answer = isAnswer ? found : null;
  const works = isAnswer ? found.matches : found.works;
  grid.render(works, isAnswer);
  const all = count(found.rows);
  const heading = isAnswer
    ? many(works.length, "match", "matches")
    : found.total === found.rows
      ? many(found.total, "work")
      : `${count(found.total)} of ${all} works`;
  byId("heading").textContent = heading;
  byId("summary").textContent = isAnswer ? howFound(found) : invitation();
  const nothing = isAnswer ? found.nothing : "No works meet these conditions; remove one.";
  show(byId("nothing"), !works.length);
  byId("nothing").textContent = works.length ? "" : nothing;
  const left = isAnswer ? Math.min(found.searched, MOST) : found.total;
  show(byId("more"), works.length > 0 && works.length === state.k && works.length < left);
  drawTools(isAnswer);
  document.title = `${isAnswer ? `Similar to ${found.name}` : heading} · ${state.index}`;
  say(works.length ? `${heading} ${isAnswer ? byId("summary").textContent : ""}` : nothing);
}

/** Describe among what an answer was found, and its figures. */
function howFound({ rows, searched, missing, by, matches }) {
  const all = many(rows, "work");
  const among = searched === rows ? all : `${count(searched)} of ${all}`;
  const figures = matches.some((match) => match.percentile !== null)
    ? "score, and percentile of random pairs"
    : "score";
  return [
    `among ${among}, by ${by}`,
    missing ? `${many(missing, "work")} left out, not in every index compared` : null,
    matches.length ? figures : null,
  ]
    .filter(Boolean)
    .join("; ");
}

function invitation() {
  const picture = isTouched ? ", or choose a picture" : ", or drop a picture anywhere";
  return `Choose one to see similar works${index().pictures ? picture : ""}.`;
}

function drawNone() {
  answer = null;
  grid.render([], false);
  byId("heading").textContent = "";
  byId("summary").textContent = "";
  show(byId("nothing"), false);
  show(byId("more"), false);
  byId("tools").replaceChildren();
}

async function search(signal) {
  const request = states.request(state);
  const key = JSON.stringify([state.index, request]);
  const found = answers.get(key) ?? (await api.search(state.index, request, signal));
  return remember(key, found);
}

/** Return the first works of the wall; what is shown already is not requested again. */
async function browse(signal) {
  const key = JSON.stringify([state.index, state.conditions, state.seed]);
  let { rows, total, works } = answers.get(key) ?? { rows: 0, total: Infinity, works: [] };
  while (works.length < Math.min(state.k, total)) {
    const limit = Math.min(200, state.k - works.length);
    const wanted = { conditions: state.conditions, offset: works.length, limit, seed: state.seed };
    const page = await api.browse(state.index, wanted, signal);
    const isChanged = works.length > 0 && page.rows !== rows; // embedded again: from the start
    ({ rows, total } = page);
    works = isChanged ? [] : [...works, ...page.works];
    if (!isChanged && !page.works.length) break;
  }
  remember(key, { rows, total, works });
  return { rows, total, works: works.slice(0, state.k) };
}

function remember(key, found) {
  answers.delete(key);
  answers.set(key, found);
  if (answers.size > REMEMBERED) answers.delete(answers.keys().next().value);
  return found;
}

// --- tools --------------------------------------------------------------------------------

/** Make the button that shows the facets where there is no room next to the works. */
function refineButton() {
  const { body } = document;
  const set = state.conditions.length;
  const button = make(
    "button",
    {
      type: "button",
      className: "refine-button",
      "aria-expanded": String(body.classList.contains("refining")),
      "aria-controls": "refine",
      onclick: () => {
        const open = body.classList.toggle("refining");
        button.setAttribute("aria-expanded", String(open));
        if (open) byId("refine").querySelector("input, summary, button")?.focus();
      },
    },
    `Refine${set ? ` (${set})` : ""}`,
  );
  return button;
}

function closeRefine() {
  document.body.classList.remove("refining");
  for (const button of document.querySelectorAll("main .refine-button")) {
    button.setAttribute("aria-expanded", "false");
    button.focus(); // the one that is shown takes it
  }
}

function drawTools(isAnswer) {
  const button = (text, run, title) =>
    make("button", { type: "button", title, onclick: run }, text);
  const menu = make(
    "details",
    { className: "menu" },
    make("summary", {}, "Export"),
    make(
      "div",
      {},
      ["csv", "html", "iiif", "json"].map((kind) =>
        button(
          {
            csv: "CSV for spreadsheets",
            html: "Page to cite",
            iiif: "IIIF manifest",
            json: "JSON",
          }[kind],
          () => {
            menu.open = false;
            save(kind).catch(fail);
          },
        ),
      ),
    ),
  );
  byId("tools").replaceChildren(
    refineButton(),
    ...(isAnswer
      ? [menu]
      : [
          button(
            "Shuffle",
            () => change({ seed: 1 + Math.floor(Math.random() * 9999) }),
            "Show in another order",
          ),
        ]),
    button("Copy link", copyLink),
    ...(isTouched ? [] : [button("Keys", dialogs.keys)]),
  );
}

async function save(kind) {
  const file =
    kind === "json"
      ? new Blob([JSON.stringify(answer, null, 1)], { type: "application/json" })
      : await api.exported(state.index, kind, states.request(state));
  const href = URL.createObjectURL(file);
  make("a", { href, download: `artsim.${kind === "iiif" ? "manifest.json" : kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
  say("Saved");
}

async function copyLink(event) {
  const { target } = event;
  const isWhole = !state.terms.some((term) => term.upload);
  try {
    await navigator.clipboard.writeText(location.href);
    target.textContent = isWhole ? "Copied" : "Copied, without your picture";
  } catch {
    target.textContent = "It is in the address bar";
  }
  say(target.textContent);
  later(2500, () => {
    target.textContent = "Copy link";
  })();
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
    if (!text) return;
    try {
      const term = written(text);
      byId("words").value = "";
      if (event.submitter === byId("add-words")) add([term]);
      else change({ view: "wall", any: false, terms: [{ ...term, weight: 1 }] });
    } catch (error) {
      fail(error);
    }
  });
  byId("index").addEventListener("change", (event) =>
    change({ ...states.START, index: event.target.value }),
  );
  byId("see-wall").addEventListener("click", () => change({ view: "wall" }));
  byId("see-map").addEventListener("click", () => change({ view: "map" }));
  byId("more").addEventListener("click", showMore);
  byId("error")
    .querySelector("button")
    .addEventListener("click", () => show(byId("error"), false));
  byId("undo").addEventListener("click", undo);
  document.addEventListener("keydown", shortcuts);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  addEventListener("popstate", (event) => {
    state = states.read(location.search, event.state, indexes);
    render({ scroll: event.state?.scroll });
  });
}

async function showMore() {
  const before = grid.length();
  await change({ k: Math.min(before + states.PAGE, state.terms.length ? MOST : Infinity) });
  if (grid.length() > before) grid.focus(before);
}

function shortcuts(event) {
  const isTyping = event.target.closest(
    "input:not([type=checkbox]):not([type=range]), select, textarea",
  );
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
    if (document.body.classList.contains("refining")) closeRefine();
    show(byId("error"), false);
    if (isTyping) event.target.blur();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || byId("dialog").open) return;
  if (event.key === "/") {
    event.preventDefault();
    (byId("words").hidden ? byId("choose") : byId("words")).focus();
  } else if (event.key === "?") dialogs.keys();
  else if (event.key === "u" && !byId("notice").hidden) undo();
}

async function start() {
  history.scrollRestoration = "manual";
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
}

const started = start();
