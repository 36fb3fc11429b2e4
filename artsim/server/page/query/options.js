/** How works are compared with the query, and how they must be related to it. */

import { columnName, inWords, later, make } from "../basics/dom.js";
import { THE_QUERY, canBeAny, hasPercentiles, workOf } from "../visit/state.js";

const SHARED = ["text", "list"]; // types of columns of which works can have the same value

/**
 * Make the options of a query.
 *
 * @param state The query.
 * @param index What can be.
 * @param change Searches again.
 * @param opened Remembers whether the visitor opened the rest: {more}.
 */
export function makeOptions(state, index, change, opened) {
  const first = [];
  if (index.tiles) first.push(details(state, change));
  if (canBeAny(state)) first.push(best(state, change));
  const rows = rest(state, index, change);
  const set = rows.filter(([, isSet]) => isSet).length;
  const more = make(
    "details",
    {
      className: "more-options",
      open: opened.more ?? set > 0,
      ontoggle: () => (opened.more = more.open),
    },
    make("summary", { "data-keep": "more" }, `More options${set ? ` (${set} set)` : ""}`),
    make(
      "div",
      { className: "fields" },
      rows.map(([row]) => row),
    ),
  );
  return make(
    "div",
    { className: "options" },
    first.length ? make("div", { className: "first" }, first) : null,
    index.taps.length > 1 && !state.details ? aspects(state, index, change) : null,
    more,
  );
}

/** Return the options that are seldom needed: rows, and whether each is set. */
function rest(state, index, change) {
  const shared = index.fields.filter(({ type }) => SHARED.includes(type)).map(({ name }) => name);
  const named = shared.filter((name) => !/title/i.test(name));
  const dates = index.years;
  const isRelated = workOf(state) !== undefined;
  const rows = [];
  if (isRelated && named.length) {
    rows.push([notSame(state, named, change), state.notSame.length > 0]);
  }
  if (shared.length) {
    rows.push([mostPer(state, shared, change), Object.keys(state.maxPer).length > 0]);
  }
  if (dates.length) {
    rows.push([earlierThan(state, dates, change), state.earlierThan !== null]);
    if (isRelated) rows.push([contemporary(state, dates, change), state.contemporary !== null]);
    if (dates.length > 1) rows.push([years(state, dates, change), state.years !== null]);
  }
  if (hasPercentiles(state)) {
    rows.push([leastPercentile(state, change), state.minPercentile !== null]);
  }
  return rows;
}

/** Make a list to choose one of, or none; `keep` finds it again after a redraw, `called` names a value. */
export function choice(keep, name, values, value, none, changed, called = inWords) {
  const select = make(
    "select",
    { "data-keep": keep, "aria-label": name, onchange: (event) => changed(event.target.value) },
    make("option", { value: "" }, none),
    values.map((each) => make("option", { value: each }, called(each))),
  );
  select.value = value;
  return select;
}

/** Make a row of a name and what is set under it. */
const field = (name, ...controls) =>
  make(
    "div",
    { className: "field", role: "group", "aria-label": name },
    make("span", { className: "quiet", "aria-hidden": "true" }, name),
    make("div", {}, ...controls),
  );

function aspects(state, index, change) {
  const isDefault = !Object.keys(state.by).length; // then it is the first
  const weights = Object.fromEntries(
    index.taps.map(({ name }, place) => [
      name,
      isDefault ? Number(place === 0) : (state.by[name] ?? 0),
    ]),
  );
  const weigh = later(250, (name, value) => {
    const changed = Object.entries({ ...weights, [name]: value });
    change({ by: Object.fromEntries(changed.filter(([, weight]) => weight > 0)) });
  });
  const slider = ({ name, title }) =>
    make(
      "label",
      { title: name },
      make("span", {}, title === name ? columnName(name) : title),
      make("input", {
        type: "range",
        min: "0",
        max: "1",
        step: "0.05",
        value: weights[name],
        "data-keep": `aspect ${name}`,
        oninput: (event) => weigh(name, Number(event.target.value)),
      }),
    );
  return make(
    "div",
    { className: "aspects", role: "group", "aria-label": "Compare by" },
    make("span", { className: "quiet" }, "Compare by"),
    index.taps.map(slider),
  );
}

const tick = (keep, checked, text, changed) =>
  make(
    "label",
    {},
    make("input", {
      type: "checkbox",
      checked,
      "data-keep": keep,
      onchange: (event) => changed(event.target.checked),
    }),
    ` ${text}`,
  );

const best = (state, change) =>
  tick("any", state.any, "It is enough to be similar to one of them", (any) => change({ any }));

const details = (state, change) =>
  tick("details", state.details, "Find works that contain it as a detail", (on) =>
    change({ details: on }),
  );

/** Make a row for each column that is chosen, and one to choose another. */
function each(chosen, columns, row) {
  const free = columns.filter((name) => !chosen.includes(name));
  const rows = chosen.map((name, place) => row(name, [name, ...free], place));
  return free.length ? [...rows, row("", free, rows.length)] : rows;
}

function notSame(state, columns, change) {
  const set = (before) => (name) => {
    const others = state.notSame.filter((one) => one !== before);
    change({ notSame: name ? [...others, name] : others });
  };
  const row = (now, free, place) =>
    choice(`not-same ${place}`, "Not the same", free, now, "—", set(now));
  return field("Not the same", each(state.notSame, columns, row));
}

function mostPer(state, columns, change) {
  const without = (column) =>
    Object.fromEntries(Object.entries(state.maxPer).filter(([name]) => name !== column));
  const row = (now, free, place) => {
    const most = state.maxPer[now] ?? 1;
    const limit = (value) =>
      change({ maxPer: { ...state.maxPer, [now]: Math.max(1, Math.floor(value ?? 1)) } });
    const name = now ? `Limit per ${inWords(now)}` : "Limit";
    const number = numberBox(name, now && most, { min: "1", placeholder: "1" }, limit);
    number.disabled = !now;
    const set = (column) =>
      change({ maxPer: column ? { ...without(now), [column]: most } : without(now) });
    const per = choice(`per ${place}`, "Per column", free, now, "—", set);
    return make("span", {}, number, " per ", per);
  };
  return field("Up to", each(Object.keys(state.maxPer), columns, row));
}

/** Name the column of years where there are several: the first until another is chosen. */
const ofYears = (state, dates) => (dates.length > 1 ? { years: state.years ?? dates[0] } : {});

function earlierThan(state, dates, change) {
  const isQuery = state.earlierThan === THE_QUERY;
  const set = (value) => change({ earlierThan: value, ...ofYears(state, dates) });
  const limits = { placeholder: "any year", step: "1" };
  const year = numberBox("Made before the year", isQuery ? null : state.earlierThan, limits, (at) =>
    set(at === null ? null : Math.floor(at)),
  );
  const work = tick("earlier", isQuery, "the query's year", (on) => set(on ? THE_QUERY : null));
  return field("Made before", year, workOf(state) ? work : null);
}

function contemporary(state, dates, change) {
  const box = numberBox("Within years", state.contemporary, { min: "0" }, (value) =>
    change({
      contemporary: value === null ? null : Math.max(0, Math.floor(value)),
      ...ofYears(state, dates),
    }),
  );
  return field("Made within", make("span", {}, box, " years of the query"));
}

function years(state, columns, change) {
  return field(
    "Years taken from",
    choice("years", "Years taken from", columns, state.years ?? "", "—", (name) =>
      change({ years: name || null }),
    ),
  );
}

function leastPercentile(state, change) {
  const limits = { min: "0", max: "100", step: "any" };
  const box = numberBox("Least percentage of random pairs", state.minPercentile, limits, (value) =>
    change({ minPercentile: value === null ? null : Math.min(100, Math.max(0, value)) }),
  );
  return field("More similar than", make("span", {}, box, " % of random pairs"));
}

/** Make a box for a number; `changed` is given null when it is empty. */
function numberBox(name, value, limits, changed) {
  return make("input", {
    type: "number",
    placeholder: "any",
    ...limits,
    value: value ?? "",
    "aria-label": name,
    "data-keep": name,
    onchange: (event) => changed(event.target.value === "" ? null : Number(event.target.value)),
  });
}
