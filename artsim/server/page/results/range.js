/** Numbers from one to another, between two handles over a histogram. */

import { columnName, count, make } from "../basics/dom.js";

const STEPS = 200; // of a handle, where numbers are no whole ones

/**
 * Make a range.
 *
 * @param facet column, low, high, bars (works by number, evenly from low to high) and whole.
 * @param own The condition that is set, or undefined.
 * @param set Called with the new one, or null.
 */
export function makeRange(facet, own, set) {
  const { low, high, bars } = facet;
  if (low === null || high === null) return make("p", { className: "quiet" }, "No values");
  const name = columnName(facet.column);
  const now = own?.op === "between" ? [...own.value] : [low, high];
  const isAll = () => now[0] <= low && now[1] >= high;
  const done = () => set(isAll() ? null : { op: "between", value: [...now] });
  const short = (value) => (facet.whole ? Math.round(value) : Number(value.toPrecision(4)));
  const step = facet.whole ? 1 : (high - low) / STEPS;

  const numbers = ["from", "to"].map((end, place) =>
    make("input", {
      type: "number",
      step: "any",
      placeholder: String(place ? high : low),
      "aria-label": `${name} ${end}`,
      "data-keep": `${facet.column} ${place}`,
      onchange: ({ target }) => {
        now[place] = target.value === "" ? [low, high][place] : Number(target.value);
        now.sort((a, b) => a - b);
        done();
      },
    }),
  );
  const handles = ["from", "to"].map((end, place) =>
    make("input", {
      type: "range",
      min: low,
      max: high,
      step,
      "aria-label": `${name} ${end}, slider`,
      "data-keep": `${facet.column} handle ${place}`,
      oninput: ({ target }) => {
        const value = Number(target.value);
        now[place] = place ? Math.max(value, now[0]) : Math.min(value, now[1]);
        draw();
      },
      onchange: done,
    }),
  );
  const most = Math.max(...bars, 1);
  const columns = bars.map((works, at) => {
    const from = low + ((high - low) * at) / bars.length;
    const to = low + ((high - low) * (at + 1)) / bars.length;
    const bar = make("i", {
      title: `${short(from)}–${short(to)}: ${count(works)}`,
      variables: { "--part": works ? Math.max(0.04, works / most) : 0 },
    });
    return { bar, from, to };
  });

  function draw() {
    handles.forEach((handle, place) => (handle.value = now[place]));
    numbers.forEach((input, place) => (input.value = isAll() ? "" : short(now[place])));
    for (const { bar, from, to } of columns) {
      bar.classList.toggle("out", to <= now[0] || from >= now[1]);
    }
  }

  draw();
  return make(
    "div",
    { className: "range", role: "group", "aria-label": name },
    bars.length
      ? make(
          "div",
          { className: "slider" },
          make("div", { className: "bars", "aria-hidden": "true" }, columns.map(({ bar }) => bar)),
          handles,
        )
      : null,
    make("div", { className: "ends" }, numbers[0], "–", numbers[1]),
  );
}
