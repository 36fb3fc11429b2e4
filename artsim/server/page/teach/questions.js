/** The works that the page asks about: those that it is least sure of, each in its place until it is answered. */

import * as api from "../basics/api.js";
import { byline, described, make } from "../basics/dom.js";

const ASK = 6; // works to mark next
const MOST = 50; // works that the server offers

/**
 * Make what asks.
 *
 * @param concept What works are marked for.
 * @param actions details(work); mark(work, kind, event); follow(event) ranks the works again.
 */
export function makeQuestions(concept, actions) {
  let asked = []; // works
  let askedOf = ""; // what they are chosen among

  /** Return how many works to request; others than these are asked about `among` other works. */
  function wanted(among) {
    if (among !== askedOf) [asked, askedOf] = [[], among];
    return Math.min(MOST, 2 * ASK + concept.skips()); // some of them have a place already
  }

  /** Put new questions where one was answered; the others stay, so that nothing moves that is aimed at. */
  function placed(offered) {
    const kept = new Set(asked.filter(concept.isOpen).map(({ id }) => id));
    const others = offered.filter(({ id }) => !kept.has(id));
    const places = asked.length ? asked : Array(ASK).fill(null);
    return places.map((work) => (work && concept.isOpen(work) ? work : others.shift())).filter(Boolean);
  }

  const heading = () => (concept.now.name ? `Are these ${concept.now.name}?` : "Do these show it?");

  function question(work) {
    const answer = (kind, text) =>
      make(
        "button",
        {
          type: "button",
          className: kind,
          "aria-label": `${text}: ${described(work)}`,
          "aria-pressed": "false",
          onclick: (event) => actions.mark(work, kind, event),
        },
        text,
      );
    const skip = (event) => {
      concept.skip(work);
      event.currentTarget.disabled = true;
      actions.follow(event);
    };
    return make(
      "li",
      {},
      make(
        "button",
        { type: "button", className: "thumb", onclick: () => actions.details(work) },
        make("img", { src: api.picture(concept.index, work.id), alt: described(work) }),
      ),
      work.title ? make("p", { className: "title" }, work.title) : null,
      make("p", { className: "by" }, byline(work) || (work.title ? "" : work.id)),
      make(
        "div",
        { "data-marks": work.id },
        answer("yes", "Yes"),
        answer("no", "No"),
        make(
          "button",
          { type: "button", className: "plain", "aria-label": `Skip: ${described(work)}`, onclick: skip },
          "Skip",
        ),
      ),
    );
  }

  /** Make the questions, about works that the server offers; null if there are none. */
  function section(offered) {
    asked = placed(offered.filter(concept.isOpen));
    if (!asked.length) return null;
    return make("section", { className: "ask" }, make("h3", {}, heading()), make("ul", {}, asked.map(question)));
  }

  return { wanted, heading, section };
}
