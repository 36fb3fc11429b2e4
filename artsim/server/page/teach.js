/** Teaching a concept: works are marked yes or no, and the page ranks all others at each mark. */

import * as api from "./api.js";
import { byId, columnOf, commands, count, described, keptFocus, later, make, many, show } from "./dom.js";
import { download, exportMenu } from "./exports.js";
import { keep, kept, whenKept } from "./kept.js";

const ASK = 6; // works to mark next
const LIKELIEST = 50; // works, in a file of them
const IDLE = 1000; // milliseconds without the pointer after which works are ranked again
const EXPORTS = {
  csv: `The ${LIKELIEST} likeliest, as CSV`,
  html: `The ${LIKELIEST} likeliest, as a page`,
  all: "All works and marks, as CSV",
};
const WITH_MARKS = `The ${LIKELIEST} likeliest include the works that you marked yes.`;
const NOTHING = { name: "", saved: null, yes: [], no: [] }; // saved: the name it was saved by

/**
 * Make the panel of a concept.
 *
 * @param panel The element.
 * @param actions index() describes the index; filters() narrows what is ranked; changed() draws the works again; saved() is called
 *   when a concept was saved; question(text, yes) asks before something is lost; details(work);
 *   say(text), fail(error).
 */
export function makeTeach(panel, actions) {
  let index = null; // its name
  let concept = NOTHING;
  let skipped = new Set(); // questions that the visitor left out
  let known = []; // concepts that are saved
  let said = ""; // of the last save
  let asked = []; // works to mark next, each in its place until it is answered
  let askedOf = ""; // what they are chosen among
  let dropped = null; // the marks that Start again took away
  let waits = false; // whether marks were set that works are not ranked by yet

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

  const ids = () => new Set([...concept.yes, ...concept.no]);

  /** Read the marks of an index. */
  async function open() {
    const { name } = actions.index();
    if (name === index) return;
    index = name;
    read();
    skipped = new Set();
    known = await api.concepts(index).catch(() => []);
  }

  function read() {
    const found = kept(`concept ${index}`, NOTHING);
    const isWhole = Array.isArray(found.yes) && Array.isArray(found.no);
    concept = isWhole ? { ...NOTHING, ...found } : NOTHING;
  }

  /** Return whether a saved concept has these marks. */
  const isSaved = () =>
    known.some(({ positive, negative }) => {
      const all = [...positive, ...negative];
      const isSame = (mine, theirs) => mine.every((id) => theirs.includes(id));
      return all.length === ids().size && isSame(concept.yes, positive) && isSame(concept.no, negative);
    });

  /** Return whether the marks may go: they are saved, or the visitor agrees. */
  async function mayDiscard() {
    const marks = ids();
    return !marks.size || isSaved() || actions.question(`Discard ${many(marks.size, "mark")}?`, "Discard");
  }

  function set(changes) {
    concept = { ...concept, ...changes };
    keep(`concept ${index}`, concept);
    [said, dropped] = ["", null];
  }

  const without = (id) => ({
    yes: concept.yes.filter((each) => each !== id),
    no: concept.no.filter((each) => each !== id),
  });

  /** Mark a work; marking it the same way again takes the mark away. */
  function mark(work, kind, event) {
    const isSame = concept[kind].includes(work.id);
    const others = without(work.id);
    set(isSame ? others : { ...others, [kind]: [...others[kind], work.id] });
    const what = concept.name || "the concept";
    const does = isSame ? "no mark" : kind === "yes" ? `shows ${what}` : `does not show ${what}`;
    actions.say(`${described(work)}: ${does}`);
    press();
    return follow(event);
  }

  /** Show on the works which are marked, while they stay where they are. */
  function press() {
    /** @type {NodeListOf<HTMLElement>} */
    const marks = document.querySelectorAll("[data-marks]");
    for (const { dataset, children } of marks) {
      for (const button of children) {
        const marked = concept[button.className];
        if (marked) button.setAttribute("aria-pressed", String(marked.includes(dataset.marks)));
      }
    }
  }

  /** Make the buttons that mark a work. */
  const marks = (work) =>
    make(
      "div",
      { className: "marks", "data-marks": work.id },
      [
        ["yes", "✓", "Yes, it shows the concept (y)"],
        ["no", "✗", "No, it does not (n)"],
      ].map(([kind, sign, title]) =>
        make(
          "button",
          {
            type: "button",
            className: kind,
            tabIndex: -1,
            title,
            "aria-label": `${kind === "yes" ? "Yes" : "No"}: ${described(work)}`,
            "aria-pressed": String(concept[kind].includes(work.id)),
            onclick: (event) => mark(work, kind, event),
          },
          sign,
        ),
      ),
    );

  /** Make the buttons of a menu that mark a work. */
  function entries(work) {
    const texts = { yes: "Yes, it shows the concept", no: "No, it does not" };
    const pressed = () => {
      for (const [kind, button] of Object.entries(buttons)) {
        button.setAttribute("aria-pressed", String(concept[kind].includes(work.id)));
      }
    };
    const onclick = (kind) => (event) => {
      mark(work, kind, event);
      pressed();
    };
    const buttons = Object.fromEntries(
      Object.entries(texts).map(([kind, text]) => [
        kind,
        make("button", { type: "button", onclick: onclick(kind) }, text),
      ]),
    );
    pressed();
    return Object.values(buttons);
  }

  /** Return the likeliest works, or null while no work is marked as yes. */
  async function find(wanted, signal) {
    await open();
    if (!concept.yes.length) {
      draw(null);
      return null;
    }
    const body = { positive: concept.yes, negative: concept.no };
    const ask = 2 * ASK + skipped.size; // some of them have a place already
    const among = JSON.stringify([index, { ...wanted, k: 0 }]);
    if (among !== askedOf) [asked, askedOf] = [[], among];
    const found = await api.teach(index, { ...body, ...wanted, ask: Math.min(50, ask) }, signal);
    if (!signal.aborted) draw(found);
    return found;
  }

  function draw(found) {
    const focused = keptFocus(panel);
    const isOpen = panel.querySelector(".teach-head details[open]") !== null;
    panel.replaceChildren(
      ...[head(), status(found), marked(), found && questions(found)].filter(Boolean),
    );
    press();
    // An answer that arrives while the menu is open does not close it.
    if (isOpen) panel.querySelector(".teach-head details")?.setAttribute("open", "");
    if (focused) panel.querySelector(`[data-keep="${focused}"]`)?.focus({ preventScroll: true });
  }

  function head() {
    const name = make("input", {
      type: "text",
      value: concept.name,
      maxLength: 80,
      placeholder: "Name, such as boats",
      autocomplete: "off",
      "aria-label": "Name of the concept",
      "data-keep": "name",
      oninput: () => {
        concept = { ...concept, name: name.value.trim() };
        keep(`concept ${index}`, concept);
        const question = panel.querySelector(".ask h3");
        if (question) question.textContent = ask();
      },
    });
    const button = (key, text, run, title) =>
      make("button", { type: "button", "data-keep": key, onclick: run, title }, text);
    const any = ids().size > 0;
    return make(
      "div",
      { className: "teach-head" },
      make("h2", {}, "Teach a concept"),
      name,
      actions.index().saves && concept.yes.length
        ? button("save", "Save", save, "Save it as columns of the index")
        : null,
      concept.yes.length ? exportMenu(exportIt, EXPORTS, note) : null,
      any ? button("again", "Start again", startAgain) : null,
      known.length ? opener() : null,
      any && isSaved()
        ? null
        : make("p", { className: "quiet" }, `Marks stay in this browser.${concept.yes.length ? ` To keep them: ${actions.index().saves ? "Save, or " : ""}Export.` : ""}`),
      // Not where Start again was: a second click there takes nothing back.
      dropped ? button("undo", `Undo: ${many(dropped.yes.length + dropped.no.length, "mark")} back`, takeBack) : null,
    );
  }

  function opener() {
    const select = make(
      "select",
      {
        "aria-label": "Saved concepts",
        "data-keep": "saved",
        onchange: async () => {
          const chosen = known.find((each) => each.name === select.value);
          if (chosen && (await mayDiscard())) {
            const { name, positive: yes, negative: no } = chosen;
            skipped = new Set();
            set({ name, saved: name, yes, no });
          }
          actions.changed();
        },
      },
      make("option", { value: "" }, "Saved concepts"),
      known.map(({ name }) => make("option", { value: name }, name)),
    );
    select.value = known.some(({ name }) => name === concept.saved) ? concept.saved : "";
    return select;
  }

  function status(found) {
    const text = !concept.yes.length
      ? "Mark a few works that show what you look for with ✓. The page then ranks all others, and asks about those that would help most."
      : `${many(concept.yes.length, "work")} marked yes, ${count(concept.no.length)} no. The likeliest come first; ${count(found?.yes ?? 0)} of ${count(found?.rows ?? 0)} score above 0.5.`;
    return make("p", { className: "quiet", role: said ? "status" : undefined }, said || text);
  }

  /** Show the marks, to take them back. */
  function marked() {
    if (!ids().size) return null;
    const row = (kind, title) =>
      concept[kind].length
        ? make(
            "div",
            { className: "basket", role: "group", "aria-label": title },
            make("span", { className: "quiet" }, title),
            make(
              "ul",
              {},
              concept[kind].map((id) => {
                const button = make(
                  "button",
                  {
                    type: "button",
                    className: "thumb",
                    title: "Take the mark back",
                    "aria-label": `Take back: ${id}`,
                    "data-keep": `${kind} ${id}`,
                    onclick: (event) => {
                      set(without(id));
                      button.disabled = true;
                      follow(event);
                    },
                  },
                  make("img", { src: api.picture(index, id), alt: "", loading: "lazy" }),
                );
                api.work(index, id).then(
                  (work) => {
                    button.title = `Take the mark back: ${described(work)}`;
                    button.setAttribute("aria-label", `Take back: ${described(work)}`);
                  },
                  () => {}, // the id stays
                );
                return make("li", {}, button);
              }),
            ),
          )
        : null;
    return make("div", { className: "baskets" }, row("yes", "Yes"), row("no", "No"));
  }

  /** Put new questions where one was answered; the others stay, so that nothing moves that is aimed at. */
  function placed(offered) {
    const isOpen = ({ id }) => !ids().has(id) && !skipped.has(id);
    const kept = new Set(asked.filter(isOpen).map(({ id }) => id));
    const others = offered.filter(({ id }) => !kept.has(id));
    const places = asked.length ? asked : Array(ASK).fill(null);
    return places.map((work) => (work && isOpen(work) ? work : others.shift())).filter(Boolean);
  }

  const ask = () => (concept.name ? `Are these ${concept.name}?` : "Do these show it?");

  /** Show the works that it is least sure of. */
  function questions(found) {
    asked = placed(found.ask.filter(({ id }) => !skipped.has(id)));
    if (!asked.length) return null;
    return make(
      "section",
      { className: "ask" },
      make("h3", {}, ask()),
      make(
        "ul",
        {},
        asked.map((work) => {
          const answer = (kind, text) =>
            make(
              "button",
              {
                type: "button",
                className: kind,
                "aria-label": `${text}: ${described(work)}`,
                "aria-pressed": "false",
                onclick: (event) => mark(work, kind, event),
              },
              text,
            );
          return make(
            "li",
            {},
            make(
              "button",
              { type: "button", className: "thumb", onclick: () => actions.details(work) },
              make("img", { src: api.picture(index, work.id), alt: described(work) }),
            ),
            make(
              "div",
              { "data-marks": work.id },
              answer("yes", "Yes"),
              answer("no", "No"),
              make(
                "button",
                {
                  type: "button",
                  className: "plain",
                  "aria-label": `Skip: ${described(work)}`,
                  onclick: (event) => {
                    skipped.add(work.id);
                    event.currentTarget.disabled = true;
                    follow(event);
                  },
                },
                "Skip",
              ),
            ),
          );
        }),
      ),
    );
  }

  const body = () => ({ positive: concept.yes, negative: concept.no });

  async function save() {
    const name = columnOf(concept.name);
    if (!name) {
      actions.fail(new Error("Give the concept a name, such as boats."));
      panel.querySelector("input").focus();
      return;
    }
    try {
      const isKnown = known.some((each) => each.name === name);
      const replaces = concept.saved === name || isKnown;
      if (isKnown && concept.saved !== name && !(await actions.question(`Replace the saved concept “${name}”?`, "Replace"))) return;
      const found = await api.saveConcept(index, { name, ...body(), replaces });
      set({ name, saved: name });
      const held = found.held_out;
      const tested = held
        ? ` Average precision ${held.average_precision.toFixed(2)} on marks that were left out in turn (chance ${held.chance.toFixed(2)}): a rough guide, from few marks.`
        : "";
      said = `Saved as the columns ${found.name} and ${found.score}.${tested}`;
      known = await api.concepts(index);
      await actions.saved();
    } catch (error) {
      actions.fail(error);
    }
  }

  const file = (kind) => `${columnOf(concept.name) || "concept"}${kind === "all" ? "-marks.csv" : `.${kind}`}`;

  /** Say how the marks become columns of the index, where the page cannot save them. */
  function note() {
    if (actions.index().saves) return [WITH_MARKS];
    const keeping = `artsim teach ${columnOf(concept.name) || "NAME"} --index ${actions.index().path} --marks ${file("all")}`;
    return [`${WITH_MARKS} To keep the marks, export them, then run:`, commands(keeping)];
  }

  async function exportIt(kind) {
    try {
      const name = concept.name || "Concept";
      const ranked = kind === "all" ? {} : { ...actions.filters(), k: LIKELIEST, marked: true, name };
      const written = kind === "html" ? kind : "csv";
      download(await api.exportedConcept(index, written, { ...body(), ...ranked }), file(kind));
      actions.say("Saved");
    } catch (error) {
      actions.fail(error);
    }
  }

  async function startAgain() {
    if (!(await mayDiscard())) return;
    skipped = new Set();
    const before = concept;
    set(NOTHING);
    dropped = before;
    actions.changed();
  }

  function takeBack() {
    set(dropped);
    actions.changed();
  }

  /** Teach with these works as examples, and nothing else; return whether it does. */
  async function begin(some) {
    await open();
    if (!(await mayDiscard())) return false;
    skipped = new Set();
    set({ ...NOTHING, yes: some });
    return true;
  }

  whenKept(
    () => `concept ${index}`,
    () => {
      read();
      actions.changed();
    },
  );

  return { find, marks, entries, mark, begin, show: (isShown) => show(panel, isShown) };
}
