/** Query: the picture with its crop, what is added and what is taken away. */

import { picture, work as findWork } from "../basics/api.js";
import { byline, described, headline, keptFocus, make, shortName } from "../basics/dom.js";
import { hasDetail, looksInside } from "../visit/state.js";
import { makeCrop } from "./crop.js";
import { makeOptions } from "./options.js";

/**
 * Show the query.
 *
 * @param tray The element.
 * @param actions change(changes) searches again; choose() lets the visitor add a picture; details(work);
 *   preview(upload) gives the address of an uploaded picture, or undefined.
 */
export function makeTray(tray, actions) {
  let chosen = 0; // the term whose picture is large
  let last = "";
  let drawing = Promise.resolve();
  const opened = {}; // what the visitor opened of the options

  /** Draw the query, unless it is drawn or being drawn; settles when it is. */
  function render(state, index) {
    const { view, seed, conditions, k, color, ...query } = state;
    const now = JSON.stringify(query);
    if (now !== last) {
      last = now;
      drawing = draw(state, index, now);
    }
    return drawing;
  }

  async function draw(state, index, now) {
    tray.hidden = !state.terms.length;
    if (tray.hidden) {
      tray.replaceChildren();
      return;
    }
    const labels = await Promise.all(state.terms.map((term) => label(state.index, term)));
    if (now !== last) return; // another query came in between
    const isInside = tray.contains(document.activeElement);
    const focused = keptFocus(tray);
    const isInMore = document.activeElement?.closest(".more-options") !== null;
    chosen = pick(state.terms, chosen);
    const at = (place) => (changes) => {
      const terms = state.terms.flatMap((term, each) =>
        each !== place ? [term] : changes ? [{ ...term, ...changes }] : [],
      );
      const isChosen = hasDetail(terms) === hasDetail(state.terms); // by the visitor, for this kind of query
      actions.change({ terms, details: isChosen ? state.details : looksInside(terms, index) });
    };
    const select = (place) => {
      chosen = place;
      last = "";
      render(state, index);
    };
    tray.replaceChildren(
      ...large(state.terms[chosen], labels[chosen], at(chosen), actions),
      make(
        "div",
        { className: "query" },
        heading(state, labels, chosen, actions),
        baskets(state, labels, at, select, actions),
        makeOptions(state, index, actions.change, opened),
      ),
    );
    // What had the focus was drawn again, or is gone.
    const again = tray.querySelector(`[data-keep="${CSS.escape(focused ?? "")}"]`);
    const near = again ?? tray.querySelector(isInMore ? ".more-options > summary" : "button");
    if (isInside) near.focus({ preventScroll: true });
  }

  return { render };

  async function label(index, term) {
    if (term.id !== undefined) {
      const address = (side) => picture(index, term.id, side);
      try {
        const found = await findWork(index, term.id);
        return {
          name: shortName(found),
          headline: headline(found),
          by: found.title ? byline(found) : "",
          work: found,
          alt: described(found),
          address,
        };
      } catch {
        return { name: term.id, by: "", alt: term.id, address }; // the search says what is wrong
      }
    }
    if (term.text !== undefined) return { name: `“${term.text}”`, by: "", alt: term.text };
    if (term.url !== undefined) {
      return { name: term.url.split("/").pop() || term.url, by: "", alt: term.url };
    }
    const preview = actions.preview(term.upload);
    return {
      name: term.name || "Your picture",
      by: "",
      alt: `Your picture ${term.name ?? ""}`.trim(),
      address: preview && (() => preview),
    };
  }
}

/** Return the place of the term that is large: the chosen one, or the first with a picture. */
function pick(terms, chosen) {
  if (terms[chosen] && terms[chosen].text === undefined) return chosen;
  return Math.max(
    0,
    terms.findIndex((term) => term.text === undefined),
  );
}

function large(term, label, change, actions) {
  if (!label.address) return [];
  const image = make("img", { src: label.address(1024), alt: label.alt, draggable: false });
  image.addEventListener("error", () =>
    image.replaceWith(make("span", { className: "gone" }, label.name)),
  );
  const stage = makeCrop(
    image,
    label.work && label.work.width / label.work.height,
    term.crop,
    (crop) => change({ crop }),
    () => label.work && actions.details(label.work),
  );
  stage.dataset.keep = "stage";
  return [
    make(
      "div",
      { className: "large" },
      stage,
      make(
        "p",
        { className: "quiet under" },
        term.crop
          ? make(
              "button",
              { type: "button", className: "plain", onclick: () => change({ crop: undefined }) },
              "Search with the whole picture",
            )
          : "Drag over a part to search for it",
        label.work
          ? make(
              "button",
              { type: "button", className: "plain", onclick: () => actions.details(label.work) },
              "About this work",
            )
          : null,
      ),
    ),
  ];
}

function heading(state, labels, chosen, actions) {
  const one = state.terms.length === 1 ? labels[0] : null;
  return make(
    "div",
    { className: "query-head" },
    make(
      "p",
      { className: "quiet" },
      hasDetail(state.terms) ? "Similar to a detail of" : "Similar to",
    ),
    make(
      "p",
      { className: "name" },
      one ? (one.headline ?? one.name) : `${labels[chosen].name} and ${state.terms.length - 1} more`,
    ),
    one?.by ? make("p", { className: "by" }, one.by) : null,
    make(
      "button",
      { type: "button", className: "plain close", onclick: () => actions.change({ terms: [] }) },
      "Back to all works",
    ),
  );
}

/** The terms that count for and against; a single one has nothing to be weighed against. */
function baskets(state, labels, at, select, actions) {
  const add = make(
    "button",
    { type: "button", className: "plain", onclick: actions.choose },
    "Add a picture",
  );
  if (state.terms.length === 1 && state.terms[0].weight > 0) {
    return make("p", { className: "quiet" }, add, ", or add a work by its menu ⋯");
  }
  const basket = (title, sign) => {
    const places = state.terms
      .map((_, place) => place)
      .filter((place) => state.terms[place].weight * sign > 0);
    if (sign < 0 && !places.length) return null;
    return make(
      "div",
      { className: "basket", role: "group", "aria-label": title },
      make("span", { className: "quiet" }, title),
      make(
        "ul",
        {},
        places.map((place) =>
          chip(state.terms[place], labels[place], at(place), () => select(place)),
        ),
      ),
      sign > 0 ? add : null,
    );
  };
  return make("div", { className: "baskets" }, basket("More like", 1), basket("Less like", -1));
}

function chip(term, label, change, select) {
  const sign = Math.sign(term.weight);
  const weigh = (event) => {
    const weight = Number(event.target.value);
    if (weight > 0 && Number.isFinite(weight)) change({ weight: sign * weight });
    else event.target.value = Math.abs(term.weight);
  };
  return make(
    "li",
    { className: "chip" },
    label.address
      ? make(
          "button",
          {
            type: "button",
            className: "thumb",
            title: label.alt,
            "aria-label": `Show ${label.alt}`,
            onclick: select,
          },
          make("img", { src: label.address(320), alt: "" }),
        )
      : null,
    make(
      "span",
      { className: "chip-name", title: label.alt },
      term.crop ? `${label.name} (detail)` : label.name,
    ),
    make("input", {
      type: "number",
      min: "0.1",
      max: "10",
      step: "0.1",
      value: Math.abs(term.weight),
      title: "Weight",
      "aria-label": `Weight of ${label.name}`,
      onchange: weigh,
    }),
    make(
      "button",
      {
        type: "button",
        onclick: () => change({ weight: -term.weight }),
        title: sign > 0 ? "Less like this instead" : "More like this instead",
        "aria-label": `${sign > 0 ? "Less" : "More"} like ${label.name} instead`,
      },
      sign > 0 ? "−" : "+",
    ),
    make(
      "button",
      {
        type: "button",
        title: "Remove",
        "aria-label": `Remove ${label.name}`,
        onclick: () => change(null),
      },
      "×",
    ),
  );
}
