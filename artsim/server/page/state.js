/**
 * What is asked and seen, and its address.
 *
 * All of it is in the address but uploaded pictures, which stay with the visitor's history entry:
 * whoever is sent the link would not have them.
 */

export const PAGE = 36; // works shown at first, and added by "Show more"

export const START = {
  index: null,
  view: "wall", // or map
  seed: 0, // of the wall's order
  terms: [], // {id | text | upload, name, weight, crop: [x, y, w, h] in per cent}
  any: false,
  by: {}, // weights of aspects
  conditions: [], // {column, op: "in" | "between", value}
  notSame: [],
  maxPer: {},
  contemporary: null,
  minPercentile: null,
  k: PAGE,
  colour: null, // the map's label
};

const TERM = /^(-?\d*\.?\d+)(?:@([\d.]+),([\d.]+),([\d.]+),([\d.]+))?:(id|text):(.*)$/s;

/** Return the address of a state. */
export function address(state) {
  const found = new URLSearchParams();
  if (state.index) found.set("index", state.index);
  if (state.view !== START.view) found.set("view", state.view);
  if (state.seed) found.set("seed", state.seed);
  for (const term of state.terms) {
    if (term.upload) continue;
    const kind = term.id !== undefined ? "id" : "text";
    found.append("q", `${term.weight}${term.crop ? `@${term.crop}` : ""}:${kind}:${term[kind]}`);
  }
  if (state.any) found.set("any", "1");
  for (const [name, weight] of Object.entries(state.by)) found.set(`by.${name}`, weight);
  for (const { column, op, value } of state.conditions) {
    if (op === "between") found.set(`between.${column}`, value.join(".."));
    else for (const each of value) found.append(`in.${column}`, each);
  }
  for (const column of state.notSame) found.append("not-same", column);
  for (const [column, most] of Object.entries(state.maxPer)) found.set(`max-per.${column}`, most);
  if (state.contemporary !== null) found.set("contemporary", state.contemporary);
  if (state.minPercentile !== null) found.set("min-percentile", state.minPercentile);
  if (state.k !== PAGE) found.set("k", state.k);
  if (state.colour) found.set("colour", state.colour);
  return `/${found.size ? "?" : ""}${found}`;
}

/**
 * Read a state from an address, and from what history kept beside it.
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
  state.view = given.get("view") === "map" ? "map" : "wall";
  state.seed = Math.floor(number("seed") ?? 0);
  state.terms = kept?.terms ?? given.getAll("q").map(readTerm).filter(Boolean);
  state.any = given.has("any");
  state.notSame = given.getAll("not-same");
  state.contemporary = number("contemporary");
  state.minPercentile = number("min-percentile");
  state.k = Math.floor(number("k", 1) ?? PAGE);
  state.colour = given.get("colour");
  for (const key of new Set(given.keys())) {
    const dot = key.indexOf(".");
    const [kind, name] = [key.slice(0, dot), key.slice(dot + 1)];
    if (kind === "by" && number(key)) state.by[name] = number(key);
    if (kind === "max-per" && number(key, 1)) state.maxPer[name] = Math.floor(number(key, 1));
    if (kind === "in") state.conditions.push({ column: name, op: "in", value: given.getAll(key) });
    if (kind === "between") {
      const ends = given.get(key).split("..").map(Number);
      if (ends.length === 2 && ends.every(Number.isFinite)) {
        state.conditions.push({ column: name, op: "between", value: ends });
      }
    }
  }
  return state;
}

/** Return what history is to keep beside the address; null if there is nothing. */
export const keep = (state) =>
  state.terms.some((term) => term.upload) ? { terms: state.terms } : null;

/** Return the question of a state, as the server takes it. */
export function question(state) {
  const asked = {
    terms: state.terms.map(({ id, text, upload, name, weight, crop }) => ({
      ...(upload ? { upload, name } : id !== undefined ? { id } : { text }),
      weight,
      ...(crop ? { crop } : {}),
    })),
    k: state.k,
    any: canBeAny(state) && state.any,
    by: Object.entries(state.by).map(([name, weight]) => ({ name, weight })),
    conditions: state.conditions,
    max_per: state.maxPer,
    min_percentile: state.minPercentile,
  };
  // Relations are to works of the catalogue.
  return hasWork(state)
    ? { ...asked, not_same: state.notSame, contemporary: state.contemporary }
    : asked;
}

/** Tell whether a work of the index is asked by. */
export const hasWork = (state) =>
  state.terms.some((term) => term.id !== undefined && term.weight > 0);

/** Tell whether "best of each" can be asked: it takes every term as it is. */
export const canBeAny = (state) =>
  state.terms.length > 1 && state.terms.every((term) => term.weight === 1);

function readTerm(text) {
  const found = TERM.exec(text);
  if (!found || !Number(found[1])) return null;
  const crop = found[2] === undefined ? undefined : found.slice(2, 6).map(Number);
  return { [found[6]]: found[7], weight: Number(found[1]), ...(crop ? { crop } : {}) };
}
