/** How works are compared with what is asked by, and how they must be related to it. */

import { columnName, later, make } from "./dom.js";
import { canBeAny, hasWork } from "./state.js";

const SHARED = ["text", "list"]; // types of columns of which works can have the same value
const YEARS = /^(year|years|date)$/i; // names of columns that hold them

/** Make the options of a question; `change` asks anew. */
export function makeOptions(state, index, change) {
  const shared = index.fields.filter(({ type }) => SHARED.includes(type)).map(({ name }) => name);
  const isDated = index.fields.some(({ name, type }) => type === "years" || YEARS.test(name));
  const row = [leastPercentile(state, change)];
  if (hasWork(state) && isDated) row.unshift(contemporary(state, change));
  if (shared.length) row.unshift(mostPer(state, shared, change));
  if (hasWork(state) && shared.length) row.unshift(notSame(state, shared, change));
  if (canBeAny(state)) row.unshift(best(state, change));
  return make(
    "details",
    // On a phone, pictures come first.
    { className: "options", open: isSet(state) || matchMedia("(min-width: 40.01rem)").matches },
    make("summary", {}, "Options"),
    index.taps.length > 1 ? aspects(state, index, change) : null,
    make("div", { className: "relations", role: "group", "aria-label": "Relations" }, row),
  );
}

/** Make a list to choose one of, or none; `keep` finds it again when it was drawn anew. */
export function choice(keep, name, values, value, none, changed) {
  const select = make(
    "select",
    { "data-keep": keep, "aria-label": name, onchange: (event) => changed(event.target.value) },
    make("option", { value: "" }, none),
    values.map((each) => make("option", { value: each }, columnName(each).toLowerCase())),
  );
  select.value = value;
  return select;
}

const isSet = (state) =>
  state.any ||
  state.notSame.length > 0 ||
  Object.keys({ ...state.maxPer, ...state.by }).length > 0 ||
  state.contemporary !== null ||
  state.minPercentile !== null;

function aspects(state, index, change) {
  const isDefault = !Object.keys(state.by).length; // then it is the first
  const weights = Object.fromEntries(
    index.taps.map(({ name }, place) => [
      name,
      isDefault ? Number(place === 0) : (state.by[name] ?? 0),
    ]),
  );
  const ask = later(250, (name, value) => {
    const changed = Object.entries({ ...weights, [name]: value });
    change({ by: Object.fromEntries(changed.filter(([, weight]) => weight > 0)) });
  });
  const slider = ({ name }) =>
    make(
      "label",
      {},
      make("span", {}, columnName(name)),
      make("input", {
        type: "range",
        min: "0",
        max: "1",
        step: "0.05",
        value: weights[name],
        "data-keep": `aspect ${name}`,
        oninput: (event) => ask(name, Number(event.target.value)),
      }),
    );
  return make(
    "div",
    { className: "aspects", role: "group", "aria-label": "Compare by" },
    make("span", { className: "quiet" }, "Compare by"),
    index.taps.map(slider),
  );
}

function best(state, change) {
  const box = make("input", {
    type: "checkbox",
    checked: state.any,
    "data-keep": "any",
    onchange: (event) => change({ any: event.target.checked }),
  });
  return make("label", {}, box, " Best of each, not their mean");
}

function notSame(state, columns, change) {
  const named = columns.filter((name) => !/title/i.test(name));
  const set = (name) => change({ notSame: name ? [name] : [] });
  const [now = ""] = state.notSame;
  return make(
    "label",
    {},
    "Not the same ",
    choice("not-same", "Not the same", named, now, "—", set),
  );
}

function mostPer(state, columns, change) {
  const [column, most] = Object.entries(state.maxPer)[0] ?? ["", 1];
  const number = numberBox(
    "At most so many",
    column && most,
    { min: "1", placeholder: "1" },
    (value) => change({ maxPer: { [column]: Math.max(1, Math.floor(value ?? 1)) } }),
  );
  number.disabled = !column;
  const set = (name) => change({ maxPer: name ? { [name]: most } : {} });
  const per = choice("per", "Of the same", columns, column, "—", set);
  return make("span", {}, "At most ", number, " per ", per);
}

function contemporary(state, change) {
  const box = numberBox("Within years", state.contemporary, { min: "0" }, (value) =>
    change({ contemporary: value === null ? null : Math.max(0, Math.floor(value)) }),
  );
  return make("span", {}, "Within ", box, " years");
}

function leastPercentile(state, change) {
  const limits = { min: "0", max: "100", step: "any" };
  const box = numberBox("From percentile", state.minPercentile, limits, (value) =>
    change({ minPercentile: value === null ? null : Math.min(100, Math.max(0, value)) }),
  );
  const title = "The per cent of random pairs of works that a match must be more alike than";
  return make("span", { title }, "From percentile ", box);
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
