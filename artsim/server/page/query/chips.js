/** A chip for each filter that is set, to remove it: above the works, and where nothing meets them all. */

import { work as findWork } from "../basics/api.js";
import { columnName, count, inWords, make, many, show } from "../basics/dom.js";
import { THE_QUERY, hasPercentiles, workOf } from "../visit/state.js";

/**
 * Show the filters of a state as chips.
 *
 * @param list The element.
 * @param change Searches again with changes of the state.
 */
export function makeChips(list, change) {
  return function render(state, index) {
    const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
    const all = chipsOf(state, index.name, change);
    const chips = all.filter(({ className }) => className).length; // all but "Clear all"
    list.replaceChildren(...all);
    show(list, chips > 0);
    if (focused >= 0) list.querySelectorAll("button")[Math.min(focused, chips - 1)]?.focus();
  };
}

/** Make a chip for each filter of a state, and after two or more, or under a name of its own, what clears them all. */
export function chipsOf(state, index, change, clear = "") {
  const filters = filtersOf(state);
  const without = Object.assign({}, ...filters.map(([, , each]) => each), {
    conditions: [],
    exclude: [],
    maxPer: {},
    notSame: [],
  });
  const chips = [
    ...filters.map(([name, value, each]) => chip(name, value, () => change(each))),
    ...(state.terms.length ? state.exclude : []).map((id) => hidden(index, id, state, change)),
  ];
  const all = make("button", { type: "button", className: "plain", onclick: () => change(without) }, clear || "Clear all");
  return chips.length > (clear ? 0 : 1) ? [...chips, make("li", {}, all)] : chips;
}

/** Return the name, the value and the changes that remove it, of each filter that is set; the name may be empty. */
function filtersOf(state) {
  const isRelated = state.terms.length > 0 && workOf(state) !== undefined;
  const found = [];
  if (state.find) found.push(["", `“${state.find}”`, { find: "" }]);
  for (const condition of state.conditions) {
    const others = state.conditions.filter((each) => each !== condition);
    const name = columnName(condition.column);
    if (condition.op === "in") {
      for (const value of condition.value) {
        const rest = condition.value.filter((each) => each !== value);
        const conditions = rest.length
          ? state.conditions.map((each) => (each === condition ? { ...each, value: rest } : each))
          : others;
        found.push([name, value, { conditions }]);
      }
    } else if (condition.op === "between") {
      found.push([name, condition.value.join("–"), { conditions: others }]);
    } else if (condition.op === "missing") found.push([name, "no value", { conditions: others }]);
    else found.push(["", `${name} contains “${condition.value}”`, { conditions: others }]);
  }
  if (state.lasso.length) found.push(["", "Area of the map", { lasso: [] }]);
  if (!state.terms.length) return found; // the rest relates matches to a query
  for (const column of isRelated ? state.notSame : []) {
    const notSame = state.notSame.filter((each) => each !== column);
    found.push(["", `Not the same ${inWords(column)}`, { notSame }]);
  }
  for (const [column, most] of Object.entries(state.maxPer)) {
    const { [column]: _, ...maxPer } = state.maxPer;
    found.push(["", `${most === 1 ? "Only one" : `Up to ${count(most)}`} per ${inWords(column)}`, { maxPer }]);
  }
  if (state.earlierThan !== null && (isRelated || state.earlierThan !== THE_QUERY)) {
    const before = state.earlierThan === THE_QUERY ? "the query" : state.earlierThan;
    found.push(["", `Made before ${before}`, { earlierThan: null }]);
  }
  if (isRelated && state.contemporary !== null) {
    found.push(["", `Made within ${many(state.contemporary, "year")} of the query`, { contemporary: null }]);
  }
  if (hasPercentiles(state) && state.minPercentile !== null) {
    found.push(["", `More similar than ${state.minPercentile}% of random pairs`, { minPercentile: null }]);
  }
  return found;
}

function chip(name, value, remove) {
  const text = [name && `${name}: `, value].filter(Boolean).join("");
  return make(
    "li",
    { className: "filter" },
    make("span", { title: text }, name ? make("span", { className: "quiet" }, `${name}: `) : "", value),
    make(
      "button",
      { type: "button", title: "Remove", "aria-label": `Remove ${text}`, onclick: remove },
      "×",
    ),
  );
}

/** Make the chip of a work that is hidden. */
function hidden(index, id, state, change) {
  const show = () => change({ exclude: state.exclude.filter((one) => one !== id) });
  const item = chip("Hidden", id, show);
  item.querySelector("button").setAttribute("aria-label", `Show ${id} again`);
  findWork(index, id).then(
    ({ title }) => {
      if (!title) return;
      item.firstElementChild.lastChild.textContent = title;
      item.querySelector("button").setAttribute("aria-label", `Show ${title} again`);
    },
    () => {}, // the id stays
  );
  return item;
}
