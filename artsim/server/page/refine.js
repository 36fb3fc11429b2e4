/** What works can be narrowed down by: the values of their columns, with counts. */

import { columnName, count, make } from "./dom.js";

const OPEN = 3; // facets that are open at first
const FEW = 8; // values shown before "more"

/**
 * Show facets.
 *
 * @param panel The element.
 * @param fields Gives the columns of the index.
 * @param changed Called with the new conditions.
 * @param close Goes back to the works, where there is no room for them next to the facets.
 */
export function makeRefine(panel, fields, changed, close) {
  const opened = new Map(); // by column, what the visitor opened and closed
  const whole = new Set(); // columns whose values are all shown
  let searched = ""; // the column that words are looked for in

  function render(facets, conditions) {
    const focused = document.activeElement?.dataset?.keep;
    // A column may be filtered by a word and by its values.
    const isOwn = (each, column) => each.column === column && each.op !== "contains";
    const without = (column) => conditions.filter((each) => !isOwn(each, column));
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
        make("button", { type: "button", className: "refine-button", onclick: close }, "Done"),
      ),
      contains(conditions) ?? "",
      ...facets.map((facet, place) => {
        const own = conditions.find((each) => isOwn(each, facet.column));
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

  /** Make the box for a word that a column contains. */
  function contains(conditions) {
    const columns = fields()
      .filter(({ type }) => type === "text" || type === "list")
      .map(({ name }) => name);
    if (!columns.length) return null;
    const now = conditions.find((each) => each.op === "contains");
    const usual = columns.find((name) => /title/i.test(name)) ?? columns[0];
    const column = now?.column ?? (columns.includes(searched) ? searched : usual);
    const text = make("input", {
      type: "search",
      value: now?.value ?? "",
      maxLength: 200,
      placeholder: "Contains",
      "aria-label": "Text to find",
      "data-keep": "contains",
      onchange: () => set(),
    });
    const where = make(
      "select",
      { "aria-label": "In the column", "data-keep": "contains in", onchange: () => set() },
      columns.map((name) => make("option", { value: name }, columnName(name))),
    );
    where.value = column;
    function set() {
      searched = where.value;
      const value = text.value.trim();
      if (!value && !now) return;
      const others = conditions.filter((each) => each !== now);
      changed(value ? [...others, { column: searched, op: "contains", value }] : others);
    }
    return make("div", { className: "contains" }, where, text);
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
            make("span", { className: "value", title: value }, value),
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
      facet.more ? make("p", { className: "quiet" }, `and ${count(facet.more)} rarer values`) : null,
    );
  }

  return { render };
}

/** The lowest and the highest number. */
function ends(facet, own, set) {
  const { low, high } = facet;
  if (low === null || high === null) return make("p", { className: "quiet" }, "No values");
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
