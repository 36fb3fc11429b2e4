/**
 * The query and the view, and their address.
 *
 * All of it is in the address but uploaded pictures, which stay with the visitor's history entry:
 * the recipient of a link would not have them.
 */

export const VIEWS = ["wall", "map", "teach", "duplicates"];
export const PAGE = 36; // works shown at first, and added as the visitor scrolls

export const START = {
  index: null,
  view: "wall", // one of VIEWS
  seed: 0, // of the wall's order
  terms: [], // {id | text | url | upload, name, weight, crop: [x, y, w, h] in per cent}
  any: false,
  details: false, // compare with the tiles of each work
  verified: false, // check the best matches by where their parts lie
  by: {}, // weights of aspects
  conditions: [], // {column, op: "in" | "between" | "contains" | "missing", value}
  find: "", // words that are somewhere in the record
  lasso: [], // corners of an area of the map: [x, y]
  notSame: [],
  maxPer: {},
  earlierThan: null, // a year, or THE_QUERY
  contemporary: null,
  years: null, // the column for these two, where there are several
  exclude: [], // ids
  minPercentile: null,
  k: PAGE,
  color: null, // the map's label
};

/** Return the changes that ask the same of another index, as far as it has what they are about. */
export function moved(state, index) {
  const has = (column) => index.fields.some(({ name }) => name === column);
  return {
    ...state,
    index: index.name,
    view: "wall",
    details: looksInside(state.terms, index),
    verified: false,
    by: {}, // taps of the one index
    lasso: [], // an area of its map
    color: null,
    conditions: state.conditions.filter(({ column }) => has(column)),
    notSame: state.notSame.filter(has),
    maxPer: Object.fromEntries(Object.entries(state.maxPer).filter(([column]) => has(column))),
    k: PAGE,
  };
}

/** How matches must be related to a query: without a query nothing is. */
const { notSame, maxPer, earlierThan, contemporary, years, exclude, minPercentile } = START;
export const UNRELATED = { notSame, maxPer, earlierThan, contemporary, years, exclude, minPercentile };

export const THE_QUERY = "query"; // in the address: earlier than the query, whatever it is

const TERM = /^(-?\d*\.?\d+)(?:@([\d.]+),([\d.]+),([\d.]+),([\d.]+))?:(id|text|url):(.*)$/s;

/** Return the address of a state. */
export function address(state) {
  const found = new URLSearchParams();
  if (state.index) found.set("index", state.index);
  if (state.view !== START.view) found.set("view", state.view);
  if (state.seed) found.set("seed", state.seed);
  for (const term of state.terms) {
    if (term.upload) continue;
    const kind = ["id", "text", "url"].find((each) => term[each] !== undefined);
    found.append("q", `${term.weight}${term.crop ? `@${term.crop}` : ""}:${kind}:${term[kind]}`);
  }
  if (state.any) found.set("any", "1");
  if (state.details) found.set("details", "1");
  if (state.verified) found.set("verified", "1");
  for (const [name, weight] of Object.entries(state.by)) found.set(`by.${name}`, weight);
  for (const { column, op, value } of state.conditions) {
    if (op === "between") found.set(`between.${column}`, value.join(".."));
    else if (op === "contains") found.set(`contains.${column}`, value);
    else if (op === "missing") found.set(`missing.${column}`, "1");
    else for (const each of value) found.append(`in.${column}`, each);
  }
  if (state.find) found.set("find", state.find);
  if (state.lasso.length) found.set("lasso", state.lasso.join(" "));
  for (const column of state.notSame) found.append("not-same", column);
  for (const [column, most] of Object.entries(state.maxPer)) found.set(`max-per.${column}`, most);
  if (state.earlierThan !== null) found.set("earlier-than", state.earlierThan);
  if (state.contemporary !== null) found.set("contemporary", state.contemporary);
  if (state.years) found.set("years", state.years);
  for (const id of state.exclude) found.append("exclude", id);
  if (state.minPercentile !== null) found.set("min-percentile", state.minPercentile);
  if (state.k !== PAGE) found.set("k", state.k);
  if (state.color) found.set("color", state.color);
  return `${location.pathname}${found.size ? "?" : ""}${found}`;
}

/**
 * Read a state from an address, and from what history kept next to it.
 *
 * What cannot be read is left out: an address may have been mistyped.
 */
export function read(query, kept, indexes) {
  const given = new URLSearchParams(query);
  const number = (name, least = 0) => {
    const value = given.has(name) ? Number(given.get(name)) : NaN;
    return Number.isFinite(value) && value >= least ? value : null;
  };
  const index = indexes.find((each) => each.name === given.get("index")) ?? indexes[0];
  const state = { ...START, index: index?.name ?? null, by: {}, maxPer: {}, conditions: [] };
  state.view = VIEWS.includes(given.get("view")) ? given.get("view") : START.view;
  state.seed = Math.floor(number("seed") ?? 0);
  state.terms = kept?.terms ?? given.getAll("q").map(readTerm).filter(Boolean);
  state.any = given.has("any");
  state.details = given.has("details");
  state.verified = given.has("verified");
  state.find = (given.get("find") ?? "").slice(0, 200);
  state.lasso = readCorners(given.get("lasso") ?? "");
  state.notSame = given.getAll("not-same");
  const year = number("earlier-than", -Infinity);
  state.earlierThan = given.get("earlier-than") === THE_QUERY ? THE_QUERY : year && Math.floor(year);
  state.contemporary = number("contemporary");
  state.years = given.get("years");
  state.exclude = given.getAll("exclude");
  state.minPercentile = number("min-percentile");
  state.k = Math.floor(number("k", 1) ?? PAGE);
  state.color = given.get("color");
  for (const key of new Set(given.keys())) {
    const dot = key.indexOf(".");
    const [kind, name] = [key.slice(0, dot), key.slice(dot + 1)];
    if (kind === "by" && number(key)) state.by[name] = number(key);
    if (kind === "max-per" && number(key, 1)) state.maxPer[name] = Math.floor(number(key, 1));
    if (kind === "in") state.conditions.push({ column: name, op: "in", value: given.getAll(key) });
    if (kind === "missing") state.conditions.push({ column: name, op: "missing" });
    if (kind === "contains") {
      state.conditions.push({ column: name, op: "contains", value: given.get(key) });
    }
    if (kind === "between") {
      const ends = given.get(key).split("..").map(Number);
      if (ends.length === 2 && ends.every(Number.isFinite)) {
        state.conditions.push({ column: name, op: "between", value: ends });
      }
    }
  }
  return state;
}

/** Return what history is to keep with the address; null if there is nothing. */
export const keep = (state) =>
  state.terms.some((term) => term.upload) ? { terms: state.terms } : null;

/** Return the state with its query only where works are compared with it. */
export const compared = (state) => (state.view === "wall" ? state : { ...state, terms: [] });

/** Return what works must meet to be shown and counted, as the server expects it. */
export const filters = ({ conditions, find, lasso }) => ({ conditions, find, lasso });

/** Return what matches meet besides: they are no works of the query, and none that was hidden. */
export function others({ terms, exclude }) {
  const ids = [...terms.map(({ id }) => id).filter((id) => id !== undefined), ...exclude];
  return terms.length && ids.length ? [{ column: "id", op: "not in", value: ids }] : [];
}

/** Return the request for a state, as the server expects it. */
export function request(state) {
  const request = {
    terms: state.terms.map(({ id, text, url, upload, name, weight, crop }) => ({
      ...(upload ? { upload, name } : { id, text, url }), // one of them
      weight,
      ...(crop ? { crop } : {}),
    })),
    k: state.k,
    any: canBeAny(state) && state.any,
    details: state.details,
    // Tiles are compared by one method only.
    by: state.details ? [] : Object.entries(state.by).map(([name, weight]) => ({ name, weight })),
    ...filters(state),
    max_per: state.maxPer,
    earlier_than: state.earlierThan === THE_QUERY ? null : state.earlierThan,
    years: state.years,
    exclude: state.exclude,
    min_percentile: hasPercentiles(state) ? state.minPercentile : null,
  };
  const work = workOf(state);
  if (!work) return request;
  // Relations are to works of the catalog.
  return {
    ...request,
    not_same: state.notSame,
    earlier_than: state.earlierThan === THE_QUERY ? work.id : state.earlierThan,
    contemporary: state.contemporary,
  };
}

/** Return the first work of the index in the query, or undefined. */
export const workOf = (state) =>
  state.terms.find((term) => term.id !== undefined && term.weight > 0);

/** Return whether a score has a percentile: pictures have one, and texts, but not both together. */
export function hasPercentiles(state) {
  const texts = state.terms.filter((term) => term.text !== undefined).length;
  return texts === 0 || (texts === state.terms.length && !state.any && !state.details);
}

/** Return whether a query has a detail of a picture. */
export const hasDetail = (terms) => terms.some(({ crop }) => crop);

export const CHECKED = 100; // of the best matches
const EVIDENCE = 6; // that a match has the detail, from which it counts

/** Return whether a match was checked and has the detail. */
export const hasEvidence = ({ evidence }) => evidence >= EVIDENCE;

/** Return whether the details of matches can be checked: works are compared by their parts with a picture. */
export const canVerify = ({ terms, details }, index) =>
  details && index.verifies && terms.some(({ text, weight }) => text === undefined && weight > 0);

/** Return whether a detail has less than half the area of the tiles of works. */
export function isSmall(terms, { tiles }) {
  const side = 200 / (tiles + 1); // per cent: tiles overlap by half
  return terms.some(({ crop }) => crop && crop[2] * crop[3] < side ** 2 / 2);
}

/** Return the tiles per side that are small enough for the details of a query; 0: none that can be made. */
export const tilesFor = (terms) => [3, 4, 5, 6, 7, 8].find((tiles) => !isSmall(terms, { tiles })) ?? 0;

/** Return whether works are searched for that contain the query: if it has a detail, and they have tiles. */
export const looksInside = (terms, index) => index.tiles > 0 && hasDetail(terms);

const AGAINST = /(?:^|(?<=\s))-(?:"([^"]+)"|(\p{L}\S*))/gu; // -sea, -"stormy sky"

/** Read words as terms; those with a - before them count against a work. */
export function readWords(text) {
  const against = [...text.matchAll(AGAINST)].map(([, quoted, word]) => quoted ?? word);
  const rest = text.replace(AGAINST, " ").trim().replace(/\s+/g, " ");
  const terms = against.map((each) => ({ text: each, weight: -1 }));
  return rest || !against.length ? [{ text: rest, weight: 1 }, ...terms] : terms;
}

/** Return whether "best of each" is possible: it takes every term as it is. */
export const canBeAny = (state) =>
  state.terms.length > 1 && state.terms.every((term) => term.weight === 1);

/** Read corners as the address has them; fewer than three enclose nothing. */
function readCorners(text) {
  const corners = text.split(" ").map((corner) => corner.split(",").map(Number));
  const isArea = corners.length > 2 && corners.every((at) => at.length === 2 && at.every(Number.isFinite));
  return isArea ? corners : [];
}

function readTerm(text) {
  const found = TERM.exec(text);
  if (!found || !Number(found[1])) return null;
  const crop = found[2] === undefined ? undefined : found.slice(2, 6).map(Number);
  return { [found[6]]: found[7], weight: Number(found[1]), ...(crop ? { crop } : {}) };
}
