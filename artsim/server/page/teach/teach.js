/** Teaching a concept: works are marked yes or no, and the page ranks all others at each mark. */

import * as api from "../basics/api.js";
import { byId, columnOf, commands, count, described, keptFocus, later, make, many, show } from "../basics/dom.js";
import { download, exportMenu } from "../basics/exports.js";
import { fail, say } from "../basics/notices.js";
import { makeConcept } from "./concept.js";
import { makeMarks } from "./marks.js";
import { makeQuestions } from "./questions.js";

const LIKELIEST = 50; // works, in a file of them
const IDLE = 1000; // milliseconds without the pointer after which works are ranked again
const EXPORTS = {
  csv: `The ${LIKELIEST} likeliest, as CSV`,
  html: `The ${LIKELIEST} likeliest, as a page`,
  all: "All works and marks, as CSV",
};
const WITH_MARKS = `The ${LIKELIEST} likeliest include the works that you marked yes.`;

/**
 * Make the panel of a concept.
 *
 * @param panel The element.
 * @param actions index() describes the index; filters() narrows what is ranked; changed() draws the works again; saved() is called
 *   when a concept was saved; question(text, yes) asks before something is lost; details(work).
 */
export function makeTeach(panel, actions) {
  let waits = false; // whether marks were set that works are not ranked by yet
  const concept = makeConcept(actions.changed);
  const marks = makeMarks(concept, follow);
  const questions = makeQuestions(concept, { details: actions.details, mark: marks.mark, follow });

  function rank() {
    waits = false;
    return actions.changed();
  }
  const idle = later(IDLE, () => waits && rank());
  for (const place of [panel, byId("grid")]) {
    place.addEventListener("pointermove", () => waits && idle());
    place.addEventListener("pointerleave", ({ pointerType }) => waits && pointerType === "mouse" && rank());
  }

  /**
   * Rank the works by the marks: at once after a key, but nothing moves under a pointer, whose next click
   * would mark another work than the one that was seen there.
   */
  function follow(event) {
    if (!event?.detail) return rank();
    waits = true;
    return idle();
  }

  const open = () => concept.open(actions.index().name);

  /** Return whether the marks may go: they are saved, or the visitor agrees. */
  const mayDiscard = async () =>
    !concept.count() || concept.isSaved() || actions.question(`Discard ${many(concept.count(), "mark")}?`, "Discard");

  const body = () => ({ positive: concept.now.yes, negative: concept.now.no });

  /** Return the likeliest works, or null while no work is marked as yes. */
  async function find(wanted, signal) {
    await open();
    if (!concept.now.yes.length) {
      draw(null);
      return null;
    }
    const ask = questions.wanted(JSON.stringify([concept.index, { ...wanted, k: 0 }]));
    const found = await api.teach(concept.index, { ...body(), ...wanted, ask }, signal);
    if (!signal.aborted) draw(found);
    return found;
  }

  function draw(found) {
    const focused = keptFocus(panel);
    const isOpen = panel.querySelector(".teach-head details[open]") !== null;
    panel.replaceChildren(
      ...[head(), status(found), baskets(), found && questions.section(found.ask)].filter(Boolean),
    );
    marks.press();
    // An answer that arrives while the menu is open does not close it.
    if (isOpen) panel.querySelector(".teach-head details")?.setAttribute("open", "");
    if (focused) panel.querySelector(`[data-keep="${focused}"]`)?.focus({ preventScroll: true });
  }

  function head() {
    const name = make("input", {
      type: "text",
      value: concept.now.name,
      maxLength: 80,
      placeholder: "Name, such as boats",
      autocomplete: "off",
      "aria-label": "Name of the concept",
      "data-keep": "name",
      oninput: () => {
        concept.rename(name.value.trim());
        const question = panel.querySelector(".ask h3");
        if (question) question.textContent = questions.heading();
      },
    });
    const button = (key, text, run, title) =>
      make("button", { type: "button", "data-keep": key, onclick: run, title }, text);
    const { saves } = actions.index();
    const any = concept.count() > 0;
    const { dropped } = concept;
    return make(
      "div",
      { className: "teach-head" },
      make("h2", {}, "Teach a concept"),
      name,
      saves && concept.now.yes.length ? button("save", "Save", save, "Save it as columns of the index") : null,
      concept.now.yes.length ? exportMenu(exportIt, EXPORTS, note) : null,
      any ? button("again", "Start again", startAgain) : null,
      concept.known.length ? opener() : null,
      any && concept.isSaved()
        ? null
        : make("p", { className: "quiet" }, keeping(saves)),
      // Not where Start again was: a second click there takes nothing back.
      dropped ? button("undo", `Bring back ${many(dropped.yes.length + dropped.no.length, "mark")}`, takeBack) : null,
    );
  }

  /** Say where the marks are, and what keeps them. */
  const keeping = (saves) =>
    concept.now.yes.length
      ? `Your marks are in this browser only; ${saves ? "save or export" : "export"} them to keep them.`
      : "Your marks stay in this browser.";

  function opener() {
    const { known, now } = concept;
    const select = make(
      "select",
      {
        "aria-label": "Saved concepts",
        "data-keep": "saved",
        onchange: async () => {
          const chosen = known.find((each) => each.name === select.value);
          if (chosen && (await mayDiscard())) {
            const { name, positive: yes, negative: no } = chosen;
            concept.replace({ name, saved: name, yes, no });
          }
          actions.changed();
        },
      },
      make("option", { value: "" }, "Saved concepts"),
      known.map(({ name }) => make("option", { value: name }, name)),
    );
    select.value = known.some(({ name }) => name === now.saved) ? now.saved : "";
    return select;
  }

  function status(found) {
    const { said, now: { yes, no } } = concept;
    const text = !yes.length
      ? "Mark a few works that show what you look for with ✓. The page then ranks all others, and asks about those that would help most."
      : `${many(yes.length, "work")} marked yes, ${count(no.length)} no. The likeliest come first; ${count(found?.yes ?? 0)} of ${count(found?.rows ?? 0)} score above 0.5.`;
    return make("p", { className: "quiet", role: said ? "status" : undefined }, said || text);
  }

  /** Show the marks, to take them back. */
  const baskets = () =>
    concept.count() ? make("div", { className: "baskets" }, basket("yes", "Yes"), basket("no", "No")) : null;

  function basket(kind, title) {
    if (!concept.now[kind].length) return null;
    return make(
      "div",
      { className: "basket", role: "group", "aria-label": title },
      make("span", { className: "quiet" }, title),
      make("ul", {}, concept.now[kind].map((id) => make("li", {}, markOf(id, kind)))),
    );
  }

  /** Make the button that takes back a mark. */
  function markOf(id, kind) {
    const button = make(
      "button",
      {
        type: "button",
        className: "thumb",
        title: "Take the mark back",
        "aria-label": `Take back: ${id}`,
        "data-keep": `${kind} ${id}`,
        onclick: (event) => {
          concept.unmark(id);
          button.disabled = true;
          follow(event);
        },
      },
      make("img", { src: api.picture(concept.index, id), alt: "", loading: "lazy" }),
    );
    api.work(concept.index, id).then(
      (work) => {
        button.title = `Take the mark back: ${described(work)}`;
        button.setAttribute("aria-label", `Take back: ${described(work)}`);
      },
      () => {}, // the id stays
    );
    return button;
  }

  async function save() {
    const name = columnOf(concept.now.name);
    if (!name) {
      fail(new Error("Give the concept a name, such as boats."));
      panel.querySelector("input").focus();
      return;
    }
    try {
      const isOwn = concept.now.saved === name;
      const isKnown = concept.known.some((each) => each.name === name);
      if (isKnown && !isOwn && !(await actions.question(`Replace the saved concept “${name}”?`, "Replace"))) return;
      await concept.save(name, isOwn || isKnown);
      await actions.saved();
    } catch (error) {
      fail(error);
    }
  }

  const file = (kind) => `${columnOf(concept.now.name) || "concept"}${kind === "all" ? "-marks.csv" : `.${kind}`}`;

  /** Say how the marks become columns of the index, where the page cannot save them. */
  function note() {
    if (actions.index().saves) return [WITH_MARKS];
    const keeping = `artsim teach ${columnOf(concept.now.name) || "NAME"} --index ${actions.index().path} --marks ${file("all")}`;
    return [`${WITH_MARKS} To keep the marks, export them, then run:`, commands(keeping)];
  }

  async function exportIt(kind) {
    try {
      const name = concept.now.name || "Concept";
      const ranked = kind === "all" ? {} : { ...actions.filters(), k: LIKELIEST, marked: true, name };
      const written = kind === "html" ? kind : "csv";
      download(await api.exportedConcept(concept.index, written, { ...body(), ...ranked }), file(kind));
      say("Saved");
    } catch (error) {
      fail(error);
    }
  }

  async function startAgain() {
    if (!(await mayDiscard())) return;
    concept.drop();
    actions.changed();
  }

  function takeBack() {
    concept.restore();
    actions.changed();
  }

  /** Teach with these works as examples, and nothing else; return whether it does. */
  async function begin(some) {
    await open();
    if (!(await mayDiscard())) return false;
    concept.replace({ yes: some });
    return true;
  }

  return {
    find,
    begin,
    mark: marks.mark,
    marks: marks.signs,
    entries: marks.entries,
    show: (isShown) => show(panel, isShown),
  };
}
