/** The works that a visitor collects: a star on each picture, and the bar of the open set. */

import * as api from "./api.js";
import { columnOf, count, described, headline, isTouched, keptFocus, make, many, show } from "./dom.js";
import { exportMenu, saveWorks } from "./exports.js";
import { whenKept } from "./kept.js";
import { MOST, freeName, keepSets, readSets } from "./sets.js";

const TERMS = 16; // works of a query

/**
 * Make the star of works and the bar of the open set.
 *
 * @param bar The element of the bar.
 * @param actions index() describes the index; ask(ids) searches with works; teach(ids) teaches a
 *   concept with them; among(work, ids, other) shows a work of a set, beside
 *   another if one is given; saved() is called when a set was saved; question(text, yes, name)
 *   asks the visitor, for a name if one is given; say(text), fail(error).
 */
export function makeCollection(bar, actions) {
  let name = null; // of the index whose sets are read
  let state = null; // {open, sets}
  let saved = {}; // the sets that the server has, unless they were changed here
  let isOpen = false; // whether the works of the set are shown
  let wasOpen = false; // before two of them were chosen
  let isFolded = false; // whether the bar is only its star
  let chosen = null; // ids of works to compare, while they are chosen

  const sets = () => ({ ...saved, ...state.sets });
  const ids = () => sets()[state.open] ?? [];
  const has = (id) => ids().includes(id);

  /** Show the sets of an index. */
  function render() {
    const index = actions.index();
    if (index.name !== name) {
      name = index.name;
      state = readSets(name);
      saved = {};
      isOpen = false;
      load();
    }
    draw();
  }

  /** Take the sets that the server has. */
  async function load() {
    const mine = name;
    const found = await api.sets(mine).catch(() => []);
    if (mine !== name) return;
    saved = Object.fromEntries(found.map((each) => [each.name, each.ids]));
    draw();
  }

  function set(changes) {
    state = { ...state, ...changes };
    keepSets(name, state);
    draw();
  }

  const choose = (ids) => {
    if (chosen === null && ids !== null) wasOpen = isOpen;
    chosen = ids;
    isOpen = ids !== null || wasOpen; // what was opened to choose from is closed again
    draw();
  };

  const put = (some) => set({ sets: { ...state.sets, [state.open]: some } });

  function toggle(work) {
    if (!has(work.id) && ids().length >= MOST) {
      actions.fail(new Error(`A set has at most ${MOST} works; start another one.`));
      return;
    }
    const isIn = has(work.id);
    put(isIn ? ids().filter((id) => id !== work.id) : [...ids(), work.id]);
    actions.say(`${described(work)}: ${isIn ? "removed from" : "added to"} ${state.open}`);
  }

  /** Collect works, as many as the set can hold. */
  function add(works) {
    const others = works.map(({ id }) => id).filter((id) => !has(id));
    const some = others.slice(0, Math.max(0, MOST - ids().length));
    put([...ids(), ...some]);
    const left = others.length - some.length;
    if (left) actions.fail(new Error(`A set has at most ${MOST} works: ${count(left)} were not added.`));
    actions.say(`${many(some.length, "work")} added to ${state.open}`);
  }

  /** Make the star of a work. */
  function star(work) {
    const button = make("button", {
      type: "button",
      className: "star",
      tabIndex: -1,
      onclick: () => toggle(work),
    });
    button.dataset.id = work.id;
    button.dataset.name = described(work);
    mark(button);
    return button;
  }

  /** Make the button of a menu that collects a work. */
  function entry(work) {
    const text = () => (has(work.id) ? `Remove from ${state.open}` : `Collect in ${state.open}`);
    const button = make(
      "button",
      {
        type: "button",
        onclick: () => {
          toggle(work);
          button.textContent = text();
        },
      },
      text(),
    );
    return button;
  }

  function mark(button) {
    const isIn = has(button.dataset.id);
    button.textContent = isIn ? "★" : "☆";
    button.setAttribute("aria-pressed", String(isIn));
    button.title = isIn ? `In ${state.open} (s)` : `Collect in ${state.open} (s)`;
    button.setAttribute("aria-label", `Collect: ${button.dataset.name}`);
  }

  function draw() {
    for (const button of document.querySelectorAll(".star")) mark(button);
    const several = Object.keys(sets()).length > 1;
    const isShown = ids().length > 0 || several;
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
    bar.replaceChildren(...head(), ...(isOpen && !isFolded ? works() : []));
    if (isOpen && !isFolded) bar.querySelector(".collected").scrollTop = place;
    if (focused) (bar.querySelector(`[data-keep="${CSS.escape(focused)}"]`) ?? bar.querySelector("button")).focus();
  }

  function head() {
    const works = ids().length;
    const several = Object.keys(sets()).length > 1; // then the set is named by its list
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
          set({ open: target.value });
        },
      },
      Object.keys(sets()).map((each) => make("option", { value: each }, each)),
    );
    choice.value = state.open;
    const compare = () => (works === 2 ? lookAt(...[...ids()].reverse()) : choose(chosen ? null : []));
    const fold = button(
      "fold",
      `★ ${isFolded ? works : ""}`.trim(),
      () => {
        isFolded = !isFolded;
        draw();
      },
      { className: "fold", title: isFolded ? `Show ${state.open}` : "Fold", "aria-label": state.open },
    );
    fold.setAttribute("aria-expanded", String(!isFolded));
    if (isFolded) return [fold];
    const like = () => (works > TERMS ? actions.teach(ids()) : actions.ask(ids()));
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
      works ? exports_() : null,
      menu("more", `${several ? "Set" : state.open} ▾`, [
        works ? ["Find similar works", like] : null,
        ["Rename", rename],
        ["New set", start],
        ["Teach a concept with it", () => actions.teach(ids())],
        actions.index().saves ? ["Save as a column", save] : null,
        works ? ["Empty this set", empty] : null,
        ["Delete this set", remove],
      ]),
    ].filter(Boolean);
  }

  /** Show a work of the set, by its id, beside another if one is given. */
  async function lookAt(...shown) {
    try {
      const [work, other] = await Promise.all(shown.map((id) => api.work(name, id)));
      actions.among(work, ids(), other);
    } catch (error) {
      actions.fail(error);
    }
  }

  function menu(keep, title, entries) {
    const details = make(
      "details",
      { className: "menu up" },
      make("summary", { "data-keep": keep }, title),
      make(
        "div",
        {},
        entries.filter(Boolean).map(([text, run]) =>
          make(
            "button",
            {
              type: "button",
              onclick: () => {
                details.open = false;
                details.firstElementChild.focus();
                run();
              },
            },
            text,
          ),
        ),
      ),
    );
    return details;
  }

  function exports_() {
    const made = exportMenu(exportAs);
    made.classList.add("up");
    return made;
  }

  async function exportAs(kind) {
    document.body.classList.add("busy");
    try {
      await saveWorks(kind, name, state.open, ids());
      actions.say("Saved");
    } catch (error) {
      actions.fail(error);
    }
    document.body.classList.remove("busy");
  }

  /** Choose a work to compare: the second opens both. */
  function pick(id) {
    const some = chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id];
    choose(some.length < 2 ? some : null);
    if (some.length === 2) lookAt(some[1], some[0]);
  }

  /** Put a work of the set at another place. */
  function move(id, to) {
    const others = ids().filter((each) => each !== id);
    const at = Math.max(0, Math.min(others.length, to));
    if (ids().indexOf(id) === at) return;
    put([...others.slice(0, at), id, ...others.slice(at)]);
    actions.say(`Place ${at + 1} of ${ids().length}`);
  }

  /** Move the work that has the focus: Shift and an arrow key, Home or End. */
  function shift(event, id) {
    if (!event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = ids().indexOf(id);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: ids().length }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(id, to);
  }

  function works() {
    let dragged = null; // id of a work
    const place = make("ul", { className: "collected", "aria-label": `Works of ${state.open}` });
    for (const id of ids()) {
      // Its name is requested when it comes into sight, as its picture is.
      const look = () => named(id, image, title, item);
      const image = make("img", { src: api.picture(name, id), alt: id, loading: "lazy", draggable: false, onload: look, onerror: look });
      const title = make("span", { "aria-hidden": "true" }, id);
      const item = make(
        "li",
        {
          draggable: true,
          ondragstart: (event) => {
            dragged = id;
            event.dataTransfer.effectAllowed = "move";
            event.dataTransfer.setData("text/plain", id);
          },
          ondragover: (event) => dragged !== null && event.preventDefault(),
          ondragend: () => (dragged = null),
          ondrop: (event) => {
            event.preventDefault();
            if (dragged !== null) move(dragged, ids().indexOf(id));
          },
        },
        make(
          "button",
          {
            type: "button",
            className: "thumb",
            title: "Drag to another place, or Shift and an arrow key",
            onkeydown: (event) => shift(event, id),
            "data-keep": `work ${id}`,
            "aria-pressed": chosen ? String(chosen.includes(id)) : undefined,
            onclick: () => (chosen ? pick(id) : lookAt(id)),
          },
          image,
          title,
        ),
        make(
          "button",
          {
            type: "button",
            className: "remove",
            title: "Remove",
            "aria-label": `Remove ${id}`,
            onclick: () => put(ids().filter((each) => each !== id)),
          },
          "×",
        ),
      );
      place.append(item);
    }
    const wanted = chosen?.length ? "Choose one more work" : "Choose two works to compare";
    const asks = make("p", { className: "quiet asks", role: "status" }, `${wanted}${isTouched ? "" : "; Escape ends this"}.`);
    const canDrag = ids().length > 1 && !isTouched;
    const hint = canDrag ? make("p", { className: "quiet asks" }, "Drag works to put them in order.") : null;
    return [chosen ? asks : hint, place].filter(Boolean);
  }

  /** Write the name of a work where it is shown. */
  const named = (id, image, title, item) =>
    api.work(name, id).then(
      (work) => {
        image.alt = described(work);
        title.textContent = headline(work);
        item.lastElementChild.setAttribute("aria-label", `Remove ${described(work)}`);
      },
      () => item.classList.add("lost"), // it is no longer in the index
    );

  /** Ask for a name; empty if the visitor gives none. */
  async function askName(text, yes, wanted) {
    const given = (await actions.question(text, yes, wanted)) || "";
    return given.replace(/[/\\]+/g, " ").trim(); // it names files, too
  }

  async function start() {
    const given = await askName("Name of the new set", "Make it", freeName(sets(), "New set"));
    if (!given) {
      draw();
      return;
    }
    set({ open: given, sets: { [given]: [], ...saved, ...state.sets } });
  }

  async function rename() {
    const given = await askName("Name of the set", "Rename", state.open);
    if (!given || given === state.open) return;
    if (given in sets()) {
      actions.fail(new Error(`There is a set “${given}” already; choose another name.`));
      return;
    }
    renameTo(given);
  }

  function renameTo(given) {
    const { [state.open]: _, ...others } = state.sets;
    set({ open: given, sets: { [given]: ids(), ...others } });
  }

  const isSure = (does) =>
    actions.question(`${does} “${state.open}”? It holds ${many(ids().length, "work")}.`, does);

  async function empty() {
    if (await isSure("Empty")) put([]);
  }

  async function remove() {
    const { open } = state;
    const isSaved = open in saved && actions.index().saves;
    const sure = isSaved
      ? actions.question(`Delete the saved set “${open}” for everybody?`, "Delete")
      : !ids().length || isSure("Delete");
    if (!(await sure)) return;
    if (isSaved) {
      try {
        await api.deleteSet(name, open);
      } catch (error) {
        actions.fail(error);
        return;
      }
      delete saved[open];
    }
    const { [open]: _, ...others } = state.sets;
    keepSets(name, { open: "", sets: others });
    state = readSets(name);
    draw();
    if (isSaved) await actions.saved();
  }

  async function save() {
    try {
      await load();
      const column = columnOf(state.open);
      const replaces = column in saved;
      if (replaces && !(await actions.question(`Replace the saved set “${column}”?`, "Replace"))) return;
      await api.saveSet(name, { name: column, ids: ids(), replaces });
      actions.say(`Saved as the column ${column}`);
      if (column !== state.open) renameTo(column);
      await actions.saved();
    } catch (error) {
      actions.fail(error);
    }
  }

  whenKept(
    () => `sets ${name}`,
    () => {
      state = readSets(name);
      draw();
    },
  );

  /** Choose no works to compare any more. */
  function giveUp() {
    if (!chosen) return;
    const isInside = bar.contains(document.activeElement);
    choose(null);
    if (isInside) bar.querySelector("[data-keep=compare]").focus();
  }

  return { render, star, toggle, add, entry, giveUp };
}
