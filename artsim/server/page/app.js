/** The page: its parts, what joins them, and the drawing of a state by all of them. */

import * as api from "./basics/api.js";
import { makeDialogs } from "./basics/dialog.js";
import { byId, show } from "./basics/dom.js";
import { watchMenus } from "./basics/menus.js";
import { clearNotices, fail } from "./basics/notices.js";
import { whenNear } from "./basics/scrolling.js";
import { makeCollection } from "./collection/collection.js";
import { makeDuplicates } from "./duplicates/duplicates.js";
import { makeHeader } from "./header.js";
import { keyTable, watchKeys } from "./keys.js";
import { makeMapView } from "./map/mapview.js";
import { makeChips } from "./query/chips.js";
import { makeQuerybar } from "./query/querybar.js";
import { makeTray } from "./query/tray.js";
import { makeUploads } from "./query/uploads.js";
import { makeGrid } from "./results/grid.js";
import { makeListing } from "./results/listing.js";
import { makeRefine } from "./results/refine.js";
import { makeResults } from "./results/results.js";
import { setSize } from "./results/sizes.js";
import { makeTools } from "./results/tools.js";
import { makeTeach } from "./teach/teach.js";
import { makeViewer } from "./viewer/viewer.js";
import { makeAsking } from "./visit/asking.js";
import * as states from "./visit/state.js";
import { makeViewing } from "./visit/viewing.js";
import { keepFocus, showsWorks } from "./visit/views.js";
import { makeVisit } from "./visit/visit.js";

// --- parts --------------------------------------------------------------------------------

const visit = makeVisit(draw);
const asking = makeAsking(visit);
const viewing = makeViewing({
  open: async (id) => {
    try {
      viewer.open(await api.work(visit.state.index, id));
    } catch (error) {
      fail(error.status === 404 ? new Error(`There is no work “${id}” in this collection.`) : error);
    }
  },
});
const actions = {
  ...asking,
  index: () => visit.state.index,
  hide: (work, place) => results.hide(work, place),
  isAnswer: () => visit.state.terms.length > 0,
  queries: () => listing.answer?.queries ?? [],
  terms: () => visit.state.terms,
  preview: (upload) => uploads.preview(upload),
  request: (match) => ({ ...states.request(visit.state), match }),
  works: () => grid.works(),
  total: () => listing.total,
  more: () => results.more(),
  shown: viewing.shown,
  closed: () => {
    keepFocus(visit.state.view);
    viewing.closed();
  },
  mark: (work) => [collection.star(work), teach.marks(work)],
  others: (work) => [
    collection.entry(work),
    ...(visit.state.view === "teach" ? teach.entries(work) : []),
  ],
};
const dialogs = makeDialogs(byId("dialog"), actions);
const viewer = makeViewer(byId("viewer"), actions);
const grid = makeGrid(byId("grid"), { ...actions, details: viewer.open, why: dialogs.why, ...viewer });
const help = () => dialogs.open("Keys", keyTable());

const refine = makeRefine(byId("refine"), visit);
const uploads = makeUploads({
  index: () => visit.state.index,
  ready: () => started,
  isAllowed: () => visit.index?.pictures,
  ask: (terms, isAdded) => (isAdded ? asking.add(terms) : asking.ask(terms)),
});
const query = { change: visit.go, details: viewer.open, preview: uploads.preview };
const tray = makeTray(byId("tray"), { ...query, choose: () => uploads.choose(true) });
const drawQuerybar = makeQuerybar(byId("querybar"), query);
const drawChips = makeChips(byId("chips"), visit.go);

const panel = {
  index: () => visit.index,
  details: viewer.open,
  among: viewer.among,
  saved: async () => {
    await visit.load();
    await draw();
  },
  question: dialogs.ask,
};
const teach = makeTeach(byId("teach"), {
  ...panel,
  filters: () => states.filters(visit.state),
  changed: () => draw(),
});
const collection = makeCollection(byId("collection"), {
  ...panel,
  ask: (ids) => asking.ask(ids.map((id) => ({ id }))),
  teach: async (ids) => {
    if (await teach.begin(ids)) visit.go({ view: "teach", terms: [], find: "" });
  },
});
const duplicates = makeDuplicates(byId("duplicates"), panel);

const listing = makeListing(visit, { works: grid.works, collect: collection.add });
const drawTools = makeTools(visit, listing, { refiner: refine.opener, keys: help });
const results = makeResults(visit, grid, listing, { drawTools, teach: teach.find });
const drawMap = makeMapView(byId("map"), {
  href: (id) => asking.href({ id }),
  go: (id, event) => asking.go({ id }, event),
  change: visit.go,
  tools: (total) => {
    listing.set({ total });
    return [refine.opener(), ...(total ? listing.tools() : [])];
  },
});
let drawHeader = () => {}; // made when it is known which indexes there are
let lookAgain = () => {}; // whether more works can be shown

// --- drawing ------------------------------------------------------------------------------

let running = new AbortController();

/** Draw the state. Requests for an earlier one are canceled. */
async function draw({ focus = false, scroll = 0 } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const { state } = visit;
  const isMap = state.view === "map";
  const isWorks = showsWorks(state.view);
  const isAnywhere = document.activeElement && document.activeElement !== document.body;
  if (isMap && !(visit.index.map && byId("map").checkVisibility())) {
    // A visitor who opens the map may have made it just now.
    await visit.load().catch(() => {});
    if (signal.aborted) return;
  }
  clearNotices();
  drawHeader();
  if (!isWorks) show(byId("results"), false);
  if (state.view !== "duplicates") duplicates.show(false);
  document.body.classList.toggle("deciding", state.view === "duplicates");
  show(byId("map"), isMap);
  document.body.classList.add("busy");
  teach.show(state.view === "teach");
  document.body.classList.toggle("teaching", state.view === "teach");
  collection.render();
  const asked = states.compared(state);
  drawQuerybar(asked);
  const laid = tray.render(asked, visit.index).then(() => signal.aborted || drawChips(asked, visit.index));
  try {
    const narrowed = refine.draw(signal);
    narrowed.catch(() => {}); // it is waited for below, unless the works fail first
    if (isWorks) await results.draw(signal, laid);
    else {
      listing.set({});
      if (isMap) await drawMap(state, visit.index, signal);
      else await drawDuplicates(signal, laid);
    }
    await narrowed;
    // What the works must have in common with the query is known with the answer.
    if (isWorks && listing.answer?.relations.length) await refine.draw(signal, listing.answer.relations);
    if (focus) grid.focus();
    if (scroll) scrollTo({ top: scroll });
  } catch (error) {
    if (signal.aborted) return;
    if (isWorks) results.drawNone();
    fail(error);
  }
  if (signal.aborted) return;
  document.body.classList.remove("busy");
  if (isAnywhere) keepFocus(state.view);
  lookAgain();
}

async function drawDuplicates(signal, laid) {
  await laid;
  await duplicates.show(true, signal);
  document.title = `Duplicates · ${byId("home").textContent}`;
}

// --- the visitor --------------------------------------------------------------------------

function listen() {
  byId("error")
    .querySelector("button")
    .addEventListener("click", () => {
      show(byId("error"), false);
      keepFocus(visit.state.view);
    });
  watchKeys(visit, { grid, refine, collection, teach, help });
  watchMenus();
  document.addEventListener("click", oneClick, true);
  addEventListener("popstate", leave);
  lookAgain = whenNear(byId("more"), results.more);
}

/** Take a double click for one: what it sets is not taken away again. */
function oneClick(event) {
  if (event.detail > 1 && event.target.closest("button[aria-pressed]")) event.stopPropagation();
}

/** Follow Back or Forward. */
function leave(event) {
  if (viewing.isBack()) return;
  visit.back(event.state);
  viewer.close();
  dialogs.close();
  draw({ scroll: event.state?.scroll })
    .then(() => keepFocus(visit.state.view))
    .then(viewing.open);
}

async function start() {
  history.scrollRestoration = "manual";
  setSize();
  try {
    await visit.load();
  } catch (error) {
    fail(error);
    return;
  }
  visit.read(history.state);
  drawHeader = makeHeader(visit);
  listen();
  await draw({ scroll: history.state?.scroll });
  await viewing.open();
}

const started = start();
