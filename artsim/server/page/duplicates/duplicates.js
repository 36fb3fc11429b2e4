/** Duplicates: groups side by side with their evidence, to decide about and export. */

import * as api from "../basics/api.js";
import { byline, commands, count, described, headline, keptFocus, later, make, many, show } from "../basics/dom.js";
import { download } from "../basics/exports.js";
import { fail, say } from "../basics/notices.js";
import { whenNear } from "../basics/scrolling.js";
import { idsOf, makeDecisions } from "./decisions.js";
import { KINDS, evidence, strongest } from "./evidence.js";

const PAGE = 12; // groups shown at first, and added as the visitor scrolls
const WAIT = 700; // milliseconds until the page asks again how far the search is
const RENEW = 5000; // milliseconds until it asks whether 'artsim dupes' has found others

/**
 * Make the view of duplicates.
 *
 * @param section The element.
 * @param actions index() describes the index; among(work, ids, other, choices) opens works side by side, to
 *   decide about; question(text, yes) asks before decisions are lost.
 */
export function makeDuplicates(section, actions) {
  let index = null; // the name of the one that is shown
  let kind = ""; // of the groups that are shown; all if empty
  let shown = []; // groups
  let found = null; // the last answer
  let drawn = ""; // what it was drawn of
  const decisions = makeDecisions(() => found && draw());
  const list = make("ul", { className: "groups", "aria-label": "Groups of duplicates" });
  const end = make("p", { className: "quiet" });
  const head = make("div", { className: "bar" });
  const done = make("p", { className: "quiet" }); // how many groups are decided
  section.append(head, list, end);
  const again = later(WAIT, () => section.hidden || render().catch(fail));
  const renew = later(RENEW, () => {
    if (section.hidden) return;
    if (document.visibilityState === "visible") render().catch(() => renew());
    else renew();
  });
  const lookAgain = whenNear(end, more);

  const ask = (offset, signal) =>
    api.duplicates(index, { kind: kind || null, offset, limit: PAGE, look: true }, signal);

  /** Show the duplicates of an index; they are looked for if nobody has. */
  async function render(signal) {
    const { name } = actions.index();
    if (name !== index) {
      [index, kind, shown] = [name, "", []];
      decisions.open(name);
    }
    const answer = await ask(0, signal);
    if (signal?.aborted || name !== index) return;
    if (found?.state === "looking" && answer.state === "ready") api.forget();
    if (answer.state === "ready") renew();
    else if (answer.state === "looking") again();
    const now = JSON.stringify([name, kind, answer]);
    if (now === drawn) return; // nothing moves, and nothing is read out again
    drawn = now;
    const isOther = found?.total !== answer.total || found.works !== answer.works; // found by 'artsim dupes' since
    const isSame = !isOther && JSON.stringify(answer.groups) === JSON.stringify(shown.slice(0, answer.groups.length));
    found = answer;
    if (!isSame || !answer.groups.length) shown = answer.groups;
    draw();
    lookAgain();
  }

  async function more() {
    if (section.hidden || found?.state !== "ready" || shown.length >= found.total) return false;
    const [mine, before] = [kind, shown.length];
    const { groups } = await ask(before).catch(() => ({ groups: [] }));
    if (mine !== kind || before !== shown.length) return true;
    shown = [...shown, ...groups];
    list.append(...groups.map(group));
    drawEnd();
    return groups.length > 0 && shown.length < found.total;
  }

  function draw() {
    const keeps = keptFocus(section);
    head.replaceChildren(...top());
    list.replaceChildren(...shown.map(group));
    drawEnd();
    if (keeps) section.querySelector(`[data-keep="${CSS.escape(keeps)}"]`)?.focus({ preventScroll: true });
  }

  function drawEnd() {
    show(end, shown.length > 0);
    const ready = shown.filter((each) => decisions.about(each).isDecided).length;
    const of = shown.length < found.total ? `the ${count(shown.length)} shown` : count(shown.length);
    done.textContent = ready ? `${count(ready)} of ${of} decided` : "";
    const isAll = shown.length >= found.total;
    end.textContent = `Showing ${isAll ? "all " : ""}${isAll ? many(found.total, "group") : `${count(shown.length)} of ${count(found.total)}`}`;
  }

  function top() {
    const isReady = found.state === "ready";
    const kinds = Object.entries(found.kinds ?? {});
    const all = kinds.reduce((sum, [, groups]) => sum + groups, 0);
    const choice = make(
      "select",
      {
        "aria-label": "Show",
        "data-keep": "kind",
        onchange: ({ target }) => {
          [kind, shown] = [target.value, []];
          render().catch(fail);
        },
      },
      make("option", { value: "" }, `All (${count(all)})`),
      kinds.map(([each, groups]) => make("option", { value: each }, `${KINDS[each]} (${count(groups)})`)),
    );
    choice.value = kind;
    return [
      make("h2", {}, "Duplicates"),
      isReady && all
        ? make(
            "div",
            { className: "tools" },
            kinds.length > 1 ? choice : null,
            make("button", { type: "button", "data-keep": "csv", onclick: exportIt, title: "Every pair, with what you decided" }, "Export as CSV"),
            decisions.any ? make("button", { type: "button", "data-keep": "forget", onclick: forget }, "Forget decisions") : null,
          )
        : found.state === "failed"
          ? make("button", { type: "button", onclick: () => render().catch(fail) }, "Try again")
          : "",
      make("p", { className: "quiet", role: "status" }, summary()),
      isReady && !found.kinds.transformed ? notLooked() : "",
      done,
      isReady && decisions.any ? howToUse() : "",
    ];
  }

  const howToUse = () =>
    make("p", { className: "quiet" }, "To use your decisions in evaluations, export them, then run ", commands(`artsim dupes ${actions.index().path} --decisions duplicates.csv`));

  const notLooked = () =>
    make(
      "p",
      { className: "quiet" },
      "Copies that are cropped, mirrored or rotated are found here only if they look nearly the same. To look for all of them, run the following; this page then shows them.",
      commands(`artsim dupes ${actions.index().path} --transformed`),
    );

  function summary() {
    const all = many(found.rows, "work");
    if (found.state === "failed") return `The search stopped: ${found.reason}.`;
    if (found.state === "too many") {
      const looking = commands(`artsim dupes ${actions.index().path}`);
      return [`There are too many works (${count(found.rows)}) to look for duplicates here. Run the following: this page then shows what it found.`, looking];
    }
    if (found.state !== "ready") {
      const part = found.works ? ` ${Math.floor((100 * found.done) / found.works)}%` : "";
      const step = found.step === "Reading" ? "reading pictures" : "comparing works";
      return `Looking for duplicates among ${all}: ${step}${part}. You can leave this page; it goes on.`;
    }
    const groups = Object.values(found.kinds).reduce((sum, each) => sum + each, 0);
    if (!groups) return `None among ${all}.`;
    const isOne = kind || Object.keys(found.kinds).length === 1;
    const order = isOne ? "the most similar first" : "the most certain kind first, and of each kind the most similar";
    return `${count(found.works)} of ${all} in ${many(groups, "group")}, ${order}. All are candidates: compare, then decide.`;
  }

  function keepOne(work, group) {
    const isKept = decisions.keepOne(work, group);
    say(`${described(work)}: ${isKept ? "to keep" : "undecided"}`);
  }

  function group(found) {
    const { number, kind: of, lowest, highest, size, works, pairs } = found;
    const ids = idsOf(found);
    const scores = [...new Set([lowest, highest].filter((each) => each !== null).map((each) => each.toFixed(3)))];
    const [first, ...rest] = works;
    const pressed = (name, text, isOn, onclick) =>
      make("button", { type: "button", "data-keep": name, "aria-pressed": String(isOn), onclick }, text);
    const now = () => decisions.about(found);
    const { isDifferent } = decisions;
    const isKept = (id) => now().kept === id;
    const differAll = () => decisions.differ(ids, found, now().isNone);
    const differOne = ({ id }) => decisions.differ([id], found, isDifferent(id));
    const several = works.length > 2;
    const look = (work, other) =>
      actions.among(work, ids, other, (of) => [
        { text: "Keep", run: () => keepOne(of, found), isOn: () => isKept(of.id) },
        // Of two it is said once.
        several || of.id !== other.id
          ? {
              text: "Not a duplicate",
              run: () => (several ? differOne(of) : differAll()),
              isOn: () => (several ? isDifferent(of.id) : now().isNone),
            }
          : null,
      ].filter(Boolean));
    const place = (id) => (id === works[0].id ? "the first" : "the second");
    const [said, exactly] = works.length === 2 && pairs.length ? evidence(pairs[0], place) : ["", ""];
    const lines = [
      scores.length ? `similarity ${scores.join("–")}` : "",
      said,
      size > works.length ? `the first ${works.length} of ${count(size)} works` : "",
    ];
    return make(
      "li",
      { className: [now().isDecided ? "decided" : "", several ? "several" : ""].join(" ").trim() },
      make(
        "div",
        { className: "group-head" },
        make("h3", {}, `${number}. ${KINDS[of]}`),
        make("p", { className: "quiet", title: exactly }, lines.filter(Boolean).join(" · ")),
        make(
          "div",
          { className: "tools" },
          make("button", { type: "button", "data-keep": `compare ${number}`, onclick: () => look(rest[0], first) }, "Compare"),
          pressed(`differ ${number}`, several ? "None are duplicates" : "Not a duplicate", now().isNone, differAll),
        ),
      ),
      make(
        "ul",
        {},
        works.map((work) =>
          make(
            "li",
            { className: isKept(work.id) ? "kept" : now().isNone || isDifferent(work.id) ? "different" : "" },
            make(
              "button",
              {
                type: "button",
                className: "thumb",
                "data-keep": `look ${work.id}`,
                "aria-label": `Look at ${described(work)}`,
                onclick: () => look(work, works.find(({ id }) => id !== work.id)),
              },
              make("img", { src: api.picture(index, work.id), alt: "", loading: "lazy" }),
            ),
            make("p", { className: "title" }, headline(work)),
            make("p", { className: "by" }, byline(work)),
            make("p", { className: "by" }, `${work.id} · ${work.width} × ${work.height}`),
            several ? make("p", { className: "by" }, strongest(work, works, pairs)) : null,
            make(
              "div",
              { className: "tools" },
              pressed(`keep ${work.id}`, "Keep", isKept(work.id), () => keepOne(work, found)),
              several
                ? pressed(`differ ${work.id}`, "Not a duplicate", isDifferent(work.id), () => differOne(work))
                : null,
            ),
          ),
        ),
      ),
    );
  }

  async function exportIt() {
    try {
      await render(); // the file has the groups that are shown
      download(await api.exportedDuplicates(index, decisions.all), "duplicates.csv");
      say("Saved");
    } catch (error) {
      fail(error);
    }
  }

  async function forget() {
    if (await actions.question("Forget all decisions about duplicates?", "Forget")) decisions.forget();
  }

  return {
    async show(isShown, signal) {
      show(section, isShown);
      if (isShown) await render(signal);
    },
  };
}
