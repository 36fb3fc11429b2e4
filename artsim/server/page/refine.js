/** What works can be narrowed down by: the values of their columns, with counts. */

import { columnName, count, keptFocus, later, make } from "./dom.js";
import { makeRange } from "./range.js";

const OPEN = 3; // facets that are open at first
const FEW = 8; // values shown before "more"
const TYPING = 250; // milliseconds without a key after which values are looked for

/**
 * Show facets.
 *
 * @param panel The element.
 * @param actions changed(change) changes the conditions as a function of them does; values(column,
 *   containing) finds values; close() goes back to the works, where there is no room for them next
 *   to the facets.
 */
export function makeRefine(panel, actions) {
  const opened = new Map(); // by column, what the visitor opened and closed
  const whole = new Set(); // columns whose values are all shown

  function render(facets, conditions) {
    const focused = keptFocus(panel);
    const looked = new Map(); // by column, what is being looked for
    for (const box of panel.querySelectorAll("input.look")) looked.set(box.dataset.keep, box);
    // A column may be filtered by a word and by its values.
    const isOwn = (each, column) => each.column === column && each.op !== "contains";
    const useful = facets.filter((facet) => isUseful(facet, conditions));
    panel.replaceChildren(
      make(
        "div",
        { className: "refine-top" },
        make("h2", {}, "Refine"),
        conditions.length
          ? make(
              "button",
              { type: "button", className: "plain", onclick: () => actions.changed(() => []) },
              "Clear",
            )
          : null,
        make("button", { type: "button", className: "refine-button", onclick: actions.close }, "Done"),
      ),
      ...useful.map((facet, place) => {
        const own = conditions.find((each) => isOwn(each, facet.column));
        // Changes the condition that there is now: these facets may be older.
        const set = (change) =>
          actions.changed((present) => {
            const changed = change(present.find((each) => isOwn(each, facet.column)));
            const others = present.filter((each) => !isOwn(each, facet.column));
            return changed ? [...others, { column: facet.column, ...changed }] : others;
          });
        const box = looked.get(`look ${facet.column}`);
        const details = make(
          "details",
          {
            open: opened.get(facet.column) ?? (place < OPEN || own !== undefined),
            ontoggle: () => opened.set(facet.column, details.open),
          },
          make("summary", { "data-keep": `facet ${facet.column}`, onclick: () => reveal(details) }, columnName(facet.column)),
          facet.values ? values(facet, own, set, box?.value ?? "") : makeRange(facet, own, (range) => set(() => range)),
          facet.missing || own?.op === "missing" ? make("ul", {}, missing(facet, own, set)) : null,
        );
        return details;
      }),
    );
    document.body.classList.toggle("unrefined", !useful.length && !conditions.length);
    if (focused) panel.querySelector(`[data-keep="${CSS.escape(focused)}"]`)?.focus();
  }

  const valuesOf = (condition) => (condition?.op === "in" ? condition.value : []);

  /** Scroll to what a visitor opens, as far as it is out of sight. */
  const reveal = (details) =>
    requestAnimationFrame(() => details.open && details.scrollIntoView({ block: "nearest" }));

  /** Return whether there is anything to choose: values without a work are none. */
  const isUseful = ({ column, values, bars, missing }, conditions) =>
    missing > 0 || (values ?? bars.filter(Boolean)).length > 0 || conditions.some((each) => each.column === column);

  /** Make the row of one choice. */
  const row = (value, works, box) =>
    make(
      "label",
      {},
      make("input", { type: "checkbox", ...box }),
      make("span", { className: "value", title: value }, value),
      make("span", { className: "quiet" }, count(works)),
    );

  /** Make the choice of the works without a value. */
  const missing = ({ column, missing: works }, own, set) =>
    make(
      "li",
      { className: works ? "" : "none" },
      row("no value", works, {
        checked: own?.op === "missing",
        "data-keep": `${column} missing`,
        onchange: ({ target }) => set(() => (target.checked ? { op: "missing" } : null)),
      }),
    );

  function values(facet, own, set, sought) {
    const chosen = new Set(valuesOf(own));
    const isLong = facet.values.length > FEW + 2 || facet.more > 0;
    const isWhole = whole.has(facet.column) || facet.values.length <= FEW + 2;
    const list = make("ul", {});
    const item = ({ value, count: works }, hidden) =>
      make(
        "li",
        { hidden, className: works ? "" : "none" },
        row(value, works, {
          checked: chosen.has(value),
          "data-keep": `${facet.column}=${value}`,
          onchange: ({ target }) =>
            set((present) => {
              const ticked = new Set(valuesOf(present));
              if (target.checked) ticked.add(value);
              else ticked.delete(value);
              return ticked.size ? { op: "in", value: [...ticked] } : null;
            }),
        }),
      );
    const usual = () =>
      facet.values.map((each, place) => item(each, !isWhole && place >= FEW && !chosen.has(each.value)));
    const rest = make("div", {});
    const others = () => [
      isWhole
        ? ""
        : make(
            "button",
            {
              type: "button",
              className: "plain",
              onclick: () => {
                whole.add(facet.column);
                for (const each of list.children) each.hidden = false;
                rest.firstElementChild.remove();
                list.children[FEW].querySelector("input").focus();
              },
            },
            `${count(facet.values.length - FEW)} more`,
          ),
      facet.more ? make("p", { className: "quiet" }, `and ${count(facet.more)} rarer values`) : "",
    ];
    let turn = 0;
    const look = async (text) => {
      const mine = ++turn;
      if (!text) {
        list.replaceChildren(...usual());
        rest.replaceChildren(...others());
        return;
      }
      const found = await actions.values(facet.column, text).catch(() => []);
      if (mine !== turn) return;
      // What is ticked stays in sight, to be taken away.
      const isFound = ({ value }) => found.some((each) => each.value === value);
      const ticked = facet.values.filter((each) => chosen.has(each.value) && !isFound(each));
      list.replaceChildren(...[...ticked, ...found].map((each) => item(each, false)));
      rest.replaceChildren(found.length ? "" : make("p", { className: "quiet" }, "No such value"));
    };
    list.replaceChildren(...usual());
    rest.replaceChildren(...others());
    if (sought) look(sought);
    const name = columnName(facet.column);
    const soon = later(TYPING, look);
    return make(
      "div",
      { role: "group", "aria-label": name },
      isLong
        ? make("input", {
            type: "search",
            className: "look",
            value: sought,
            placeholder: `Find among ${count(facet.values.length + facet.more)}`,
            "aria-label": `Find in ${name}`,
            "data-keep": `look ${facet.column}`,
            oninput: ({ target }) => soon(target.value.trim()),
          })
        : null,
      list,
      rest,
    );
  }

  return { render };
}
