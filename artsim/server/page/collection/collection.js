/** The works that a visitor collects: a star on each picture, and the bar of the open set. */

import * as api from "../basics/api.js";
import { columnOf, keptFocus, make, many, show } from "../basics/dom.js";
import { exportMenu, saveWorks } from "../basics/exports.js";
import { makeMenu } from "../basics/menus.js";
import { fail, say } from "../basics/notices.js";
import { makeCollected } from "./collected.js";
import { makeSets } from "./sets.js";
import { makeStars } from "./stars.js";

const TERMS = 16; // works of a query

/**
 * Make the star of works and the bar of the open set.
 *
 * @param bar The element of the bar.
 * @param actions index() describes the index; ask(ids) searches with works; teach(ids) teaches a
 *   concept with them; among(work, ids, other) shows a work of a set, beside
 *   another if one is given; saved() is called when a set was saved; question(text, yes, name)
 *   asks the visitor, for a name if one is given.
 */
export function makeCollection(bar, actions) {
  const sets = makeSets(draw);
  const stars = makeStars(sets);
  const drawWorks = makeCollected(sets, { chosen: () => chosen, choose: pick, look: lookAt });
  let isOpen = false; // whether the works of the set are shown
  let wasOpen = false; // before two of them were chosen
  let isFolded = false; // whether the bar is only its star
  let chosen = null; // ids of works to compare, while they are chosen

  /** Show the sets of an index. */
  function render() {
    if (sets.use(actions.index().name)) isOpen = false;
    draw();
  }

  const choose = (ids) => {
    if (chosen === null && ids !== null) wasOpen = isOpen;
    chosen = ids;
    isOpen = ids !== null || wasOpen; // what was opened to choose from is closed again
    draw();
  };

  function draw() {
    stars.drawAll();
    const isShown = sets.ids().length > 0 || sets.names().length > 1;
    const focused = keptFocus(bar);
    show(bar, isShown);
    document.body.classList.toggle("collecting", isShown);
    if (!isShown) {
      isOpen = false;
      bar.replaceChildren();
      return;
    }
    bar.classList.toggle("folded", isFolded);
    const place = bar.querySelector(".collected")?.scrollTop ?? 0;
    bar.replaceChildren(...head(), ...(isOpen && !isFolded ? drawWorks() : []));
    if (isOpen && !isFolded) bar.querySelector(".collected").scrollTop = place;
    if (focused) (bar.querySelector(`[data-keep="${CSS.escape(focused)}"]`) ?? bar.querySelector("button")).focus();
  }

  function head() {
    const works = sets.ids().length;
    const several = sets.names().length > 1; // then the set is named by its list
    const button = (keep, text, onclick, more = {}) =>
      make("button", { type: "button", "data-keep": keep, onclick, ...more }, text);
    const opener = button("open", many(works, "work"), () => {
      isOpen = !isOpen;
      draw();
    });
    opener.setAttribute("aria-expanded", String(isOpen));
    const choice = make(
      "select",
      {
        "aria-label": "Set",
        "data-keep": "set",
        onchange: ({ target }) => {
          chosen = null;
          sets.choose(target.value);
        },
      },
      sets.names().map((each) => make("option", { value: each }, each)),
    );
    choice.value = sets.open;
    const compare = () => (works === 2 ? lookAt(...[...sets.ids()].reverse()) : choose(chosen ? null : []));
    const fold = button(
      "fold",
      `★ ${isFolded ? works : ""}`.trim(),
      () => {
        isFolded = !isFolded;
        draw();
      },
      { className: "fold", title: isFolded ? `Show ${sets.open}` : "Fold", "aria-label": sets.open },
    );
    fold.setAttribute("aria-expanded", String(!isFolded));
    if (isFolded) return [fold];
    const like = () => (works > TERMS ? actions.teach(sets.ids()) : actions.ask(sets.ids()));
    return [
      fold,
      several ? choice : null,
      opener,
      make("span", { className: "room" }),
      works
        ? button("like", "Similar", like, {
            title: "More like these: search with all works of the set",
          })
        : null,
      works > 1
        ? button("compare", "Compare", compare, {
            title: "Compare two works side by side",
            "aria-pressed": works > 2 ? String(chosen !== null) : undefined,
          })
        : null,
      works ? upward(exportMenu(exportAs)) : null,
      moreMenu(several, works, like, compare),
    ].filter(Boolean);
  }

  /** Show a work of the set, by its id, beside another if one is given. */
  async function lookAt(...shown) {
    try {
      const [work, other] = await Promise.all(shown.map((id) => api.work(sets.index, id)));
      actions.among(work, sets.ids(), other);
    } catch (error) {
      fail(error);
    }
  }

  function moreMenu(several, works, like, compare) {
    const entries = [
      works ? ["Find similar works", like] : null,
      works > 1 ? ["Compare two works", compare] : null,
      ["Rename", rename],
      ["New set", start],
      ["Teach a concept with it", () => actions.teach(sets.ids())],
      actions.index().saves ? ["Save as a column", save] : null,
      works ? ["Empty this set", empty] : null,
      ["Delete this set", remove],
    ];
    return upward(makeMenu("more", `${several ? "Set" : sets.open} ▾`, entries.filter(Boolean)));
  }

  /** Let a menu open upward. */
  function upward(menu) {
    menu.classList.add("up");
    return menu;
  }

  async function exportAs(kind) {
    document.body.classList.add("busy");
    try {
      await saveWorks(kind, sets.index, sets.open, sets.ids());
      say("Saved");
    } catch (error) {
      fail(error);
    }
    document.body.classList.remove("busy");
  }

  /** Choose a work to compare: the second opens both. */
  function pick(id) {
    const some = chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id];
    choose(some.length < 2 ? some : null);
    if (some.length === 2) lookAt(some[1], some[0]);
  }

  /** Ask for a name; empty if the visitor gives none. */
  async function askName(text, yes, wanted) {
    const given = (await actions.question(text, yes, wanted)) || "";
    return given.replace(/[/\\]+/g, " ").trim(); // it names files, too
  }

  async function start() {
    const given = await askName("Name of the new set", "Create", sets.freeName("New set"));
    if (given) sets.start(given);
    else draw();
  }

  async function rename() {
    const given = await askName("Name of the set", "Rename", sets.open);
    if (!given || given === sets.open) return;
    if (sets.names().includes(given)) fail(new Error(`There is a set “${given}” already; choose another name.`));
    else sets.rename(given);
  }

  const isSure = (does) =>
    actions.question(`${does} “${sets.open}”? It holds ${many(sets.ids().length, "work")}.`, does);

  async function empty() {
    if (await isSure("Empty")) sets.put([]);
  }

  async function remove() {
    const { open } = sets;
    const isSaved = sets.isSaved(open) && actions.index().saves;
    const sure = isSaved
      ? actions.question(`Delete the saved set “${open}” for everybody?`, "Delete")
      : !sets.ids().length || isSure("Delete");
    if (!(await sure)) return;
    try {
      await sets.remove(isSaved);
    } catch (error) {
      fail(error);
      return;
    }
    if (isSaved) await actions.saved();
  }

  async function save() {
    try {
      await sets.load();
      const column = columnOf(sets.open);
      const replaces = sets.isSaved(column);
      if (replaces && !(await actions.question(`Replace the saved set “${column}”?`, "Replace"))) return;
      await sets.save(column, replaces);
      say(`Saved as the column ${column}`);
      await actions.saved();
    } catch (error) {
      fail(error);
    }
  }

  /** Choose no works to compare any more. */
  function giveUp() {
    if (!chosen) return;
    const isInside = bar.contains(document.activeElement);
    choose(null);
    if (isInside) bar.querySelector("[data-keep=compare]").focus();
  }

  const { star, toggle, add, entry } = stars;
  return { render, star, toggle, add, entry, giveUp };
}
