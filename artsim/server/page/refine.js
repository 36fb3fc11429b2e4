/** What works can be narrowed down by: the values of their columns, with counts. */

import { columnName, count, make } from "./dom.js";

const OPEN = 3; // facets that are open at first
const FEW = 8; // values shown before "more"

/**
 * Show facets.
 *
 * @param panel The element.
 * @param changed Called with the new conditions.
 */
export function makeRefine(panel, changed) {
  const opened = new Map(); // by column, what the visitor opened and closed
  const whole = new Set(); // columns whose values are all shown

  function render(facets, conditions) {
    const focused = document.activeElement?.dataset?.keep;
    const without = (column) => conditions.filter((each) => each.column !== column);
    panel.replaceChildren(
      make(
        "div",
        { className: "refine-top" },
        make("h2", {}, "Refine"),
        conditions.length
          ? make(
              "button",
              { type: "button", className: "plain", onclick: () => changed([]) },
              "Clear",
            )
          : null,
      ),
      ...facets.map((facet, place) => {
        const own = conditions.find((each) => each.column === facet.column);
        const set = (condition) =>
          changed(
            condition
              ? [...without(facet.column), { column: facet.column, ...condition }]
              : without(facet.column),
          );
        const details = make(
          "details",
          {
            open: opened.get(facet.column) ?? (place < OPEN || own !== undefined),
            ontoggle: () => opened.set(facet.column, details.open),
          },
          make("summary", {}, columnName(facet.column)),
          facet.values ? values(facet, own, set) : ends(facet, own, set),
        );
        return details;
      }),
    );
    if (focused) panel.querySelector(`[data-keep="${CSS.escape(focused)}"]`)?.focus();
  }

  function values(facet, own, set) {
    const chosen = new Set(own?.op === "in" ? own.value : []);
    const isLong = !whole.has(facet.column) && facet.values.length > FEW + 2;
    const list = make(
      "ul",
      {},
      facet.values.map(({ value, count: works }, place) =>
        make(
          "li",
          { hidden: isLong && place >= FEW && !chosen.has(value) },
          make(
            "label",
            {},
            make("input", {
              type: "checkbox",
              checked: chosen.has(value),
              "data-keep": `${facet.column}=${value}`,
              onchange: (event) => {
                if (event.target.checked) chosen.add(value);
                else chosen.delete(value);
                set(chosen.size ? { op: "in", value: [...chosen] } : null);
              },
            }),
            make("span", { className: "value" }, value),
            make("span", { className: "quiet" }, count(works)),
          ),
        ),
      ),
    );
    return make(
      "div",
      { role: "group", "aria-label": columnName(facet.column) },
      list,
      isLong
        ? make(
            "button",
            {
              type: "button",
              className: "plain",
              onclick: (event) => {
                whole.add(facet.column);
                for (const item of list.children) item.hidden = false;
                event.target.remove();
                list.children[FEW].querySelector("input").focus();
              },
            },
            `${count(facet.values.length - FEW)} more`,
          )
        : null,
      facet.more ? make("p", { className: "quiet" }, `and ${count(facet.more)} rarer ones`) : null,
    );
  }

  return { render };
}

/** The lowest and the highest number. */
function ends(facet, own, set) {
  const { low, high } = facet;
  if (low === null || high === null) return make("p", { className: "quiet" }, "None known");
  const given = own?.op === "between" ? own.value : [low, high];
  const inputs = given.map((value, place) =>
    make("input", {
      type: "number",
      step: "any",
      value: own ? value : "",
      placeholder: String(place ? high : low),
      "aria-label": `${columnName(facet.column)} ${place ? "to" : "from"}`,
      "data-keep": `${facet.column} ${place}`,
      onchange: () => {
        const [from, to] = inputs.map((input, each) =>
          input.value === "" ? [low, high][each] : Number(input.value),
        );
        const isAll = inputs.every((input) => input.value === "");
        set(isAll ? null : { op: "between", value: [Math.min(from, to), Math.max(from, to)] });
      },
    }),
  );
  return make("div", { className: "ends" }, inputs[0], "–", inputs[1]);
}
