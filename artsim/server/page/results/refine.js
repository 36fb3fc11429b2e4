/** What works can be narrowed down by: the values of their columns, with counts. */

import * as api from "../basics/api.js";
import { button, columnName, count, keptFocus, later, make } from "../basics/dom.js";
import { compared, filters, others } from "../visit/state.js";
import { makeRange } from "./range.js";

const OPEN = 3; // facets that are open at first
const FEW = 8; // values shown before "more"
const TYPING = 250; // milliseconds without a key after which values are looked for

/** Make the panel of facets, next to the works, or over them where there is no room. */
export function makeRefine(panel, visit) {
  const { body } = document;
  const opened = new Map(); // by column, what the visitor opened and closed
  const whole = new Set(); // columns whose values are all shown
  let relations = []; // conditions that come with the query: values are counted among its matches
  let known = { query: "", related: [] }; // what matches of a query have in common with it

  /**
   * Draw the facets of the works of the state.
   *
   * @param related What matches must have in common with the query, as its answer says; what the
   *   answer before said of the same query where there is none yet.
   */
  async function draw(signal, related = undefined) {
    const { state } = visit;
    const { index, terms, notSame, earlierThan, contemporary } = state;
    const query = JSON.stringify([index, terms, notSame, earlierThan, contemporary]);
    if (related) known = { query, related };
    relations = [...others(compared(state)), ...(known.query === query ? known.related : [])];
    const facets = await api.facets(state.index, { ...filters(state), relations }, signal);
    if (signal.aborted) return;
    body.classList.toggle("bare", facets.length === 0);
    render(facets, state.conditions);
  }

  /** Make the button that opens the panel where it is over the works. */
  function opener() {
    const set = visit.state.conditions.length;
    const opens = button(`Refine${set ? ` (${set})` : ""}`, () => {
      const open = body.classList.toggle("refining");
      opens.setAttribute("aria-expanded", String(open));
      if (open) panel.querySelector("input, summary, button")?.focus();
    });
    opens.className = "refine-button";
    opens.setAttribute("aria-expanded", String(body.classList.contains("refining")));
    opens.setAttribute("aria-controls", "refine");
    return opens;
  }

  /** Go back to the works, where the panel is over them. */
  function close() {
    if (!body.classList.contains("refining")) return;
    body.classList.remove("refining");
    /** @type {NodeListOf<HTMLButtonElement>} */
    const openers = document.querySelectorAll("main .refine-button");
    for (const each of openers) {
      each.setAttribute("aria-expanded", "false");
      each.focus(); // the one that is shown takes it
    }
  }

  const valuesWith = (column, containing) => {
    const { state } = visit;
    return api.values(state.index, { ...filters(state), relations, column, containing });
  };

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
              { type: "button", className: "plain", onclick: () => visit.go({ conditions: [] }) },
              "Clear",
            )
          : null,
        make("button", { type: "button", className: "refine-button", onclick: close }, "Done"),
      ),
      ...useful.map((facet, place) => {
        const own = conditions.find((each) => isOwn(each, facet.column));
        // Changes the condition that there is now: these facets may be older.
        const set = (change) => {
          const { conditions: present } = visit.state;
          const changed = change(present.find((each) => isOwn(each, facet.column)));
          const rest = present.filter((each) => !isOwn(each, facet.column));
          visit.go({ conditions: changed ? [...rest, { column: facet.column, ...changed }] : rest });
        };
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
    body.classList.toggle("unrefined", !useful.length && !conditions.length);
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
      const found = await valuesWith(facet.column, text).catch(() => []);
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

  return { draw, opener, close };
}
