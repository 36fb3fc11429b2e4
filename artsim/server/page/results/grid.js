/** Works as rows of equal height, walked through with the arrow keys. */

import { picture } from "../basics/api.js";
import { byline, described, make, outline, percentile, whereabouts } from "../basics/dom.js";
import { hasEvidence } from "../visit/state.js";

const NARROWEST = 0.75; // width by height of a place; pictures beyond are shown whole within it
const WIDEST = 2.6;

/**
 * Show works in a list.
 *
 * @param list The element that holds them.
 * @param actions What can be done with a work: href(work), go(work, event), and details, plus,
 *   minus, why and hide, each given the work and its place; index() gives the name of their index;
 *   mark(work), if given, makes what is put on its picture, and others(work) more buttons of its
 *   menu.
 */
export function makeGrid(list, actions) {
  let shown = []; // works, in order

  const links = () => [...list.querySelectorAll("a.picture")];
  const cards = () => cardsOf(list);

  function step(event) {
    const all = links();
    const at = all.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const entry = entries(actions, list.dataset.kind.startsWith("answer")).find(
      ({ key }) => key === event.key,
    );
    if (entry) {
      event.preventDefault();
      entry.run(shown[at], at);
      return;
    }
    const to = next(all, at, event.key);
    if (to === undefined) return;
    event.preventDefault();
    enter(all[to]);
    all[to].focus();
  }

  /** Make one card the one that the tab key comes to. */
  function enter(link) {
    for (const each of list.querySelectorAll('[tabindex="0"]')) each.tabIndex = -1;
    for (const each of link.closest("li").querySelectorAll("a.picture, button, summary")) each.tabIndex = 0;
  }

  list.addEventListener("keydown", step);
  list.addEventListener("focusin", (event) => {
    const link = event.target.closest("li")?.querySelector("a.picture");
    if (link) enter(link);
  });

  return {
    /**
     * Show works; those that are there already stay, so that "more" keeps the place.
     *
     * @param divide Says of a work whether it stands below the line, which says `below`, and `why`; null: none does.
     */
    render(works, isAnswer, { divide = null, below = "", why = "" } = {}) {
      const kind = `${isAnswer ? "answer" : "wall"} ${actions.index()}`;
      const differs = (work, at) =>
        ["id", "score", "box", "evidence"].some((name) => work[name] !== works[at]?.[name]);
      const stays = list.dataset.kind === kind && !shown.some(differs);
      if (!stays) list.replaceChildren();
      cards().forEach((item, at) => {
        const href = actions.href(works[at]);
        for (const link of item.querySelectorAll("a")) link.href = href;
      });
      const added = works.slice(stays ? shown.length : 0);
      const line = () => list.append(make("li", { className: "below" }, make("h3", {}, below), make("p", { className: "quiet" }, why)));
      for (const work of added) {
        if (divide?.(work) && !list.querySelector(".below")) line();
        list.append(card(work, actions, isAnswer));
      }
      list.dataset.kind = kind;
      shown = works;
      if (!stays && works.length) enter(links()[0]);
    },
    /** Put the focus on a work, by its place. */
    focus(at = 0) {
      links()[at]?.focus({ preventScroll: at === 0 });
    },
    /** Put the focus on the first work in sight. */
    enter() {
      const all = links();
      const inSight = all.find((link) => link.getBoundingClientRect().bottom > 80) ?? all[0];
      inSight?.focus();
    },
    works: () => shown,
  };
}

/** Return where in a work the match lies, as numbers in per cent; null where all of it matches. */
export const boxOf = (work) => work.box?.split(",").map(parseFloat) ?? null;

function card(work, actions, isAnswer) {
  const own = work.width / work.height || 1;
  const ratio = Math.min(WIDEST, Math.max(NARROWEST, own));
  const box = boxOf(work);
  const detail = box && `detail at the ${whereabouts(box)}`;
  const image = make("img", {
    src: picture(actions.index(), work.id),
    alt: detail ? `${described(work)}; ${detail}` : described(work),
    loading: "lazy",
    decoding: "async",
    onerror: () =>
      image.parentElement.replaceChildren(make("span", { className: "gone" }, described(work))),
  });
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    actions.go(work, event);
  };
  const href = actions.href(work);
  const link = make(
    "a",
    { className: "picture", href, tabIndex: -1, onclick: follow },
    image,
    box ? outline(box, own, ratio) : null,
  );
  const by = byline(work);
  const [weigh, menu] = buttons(work, actions, isAnswer);
  return make(
    "li",
    { variables: { "--ratio": ratio.toFixed(4) } },
    make("div", { className: "frame" }, link, actions.mark?.(work), menu),
    make(
      "div",
      { className: "caption" },
      // What was checked is not ranked by similarity.
      work.score === undefined || Number.isFinite(work.evidence) ? null : similarity(work, isAnswer),
      // The picture is the same link; the tab key need not come to both.
      work.title
        ? make(
            "p",
            { className: "title" },
            make("a", { href, tabIndex: -1, onclick: follow }, work.title),
          )
        : null,
      by ? make("p", { className: "by" }, by) : null,
      work.title || by ? null : make("p", { className: "by" }, work.id),
      detail ? make("p", { className: "by" }, hasEvidence(work) ? `${detail}, checked` : detail) : null,
    ),
    weigh,
  );
}

/** Return what can be done with a work: all of it is in its menu, + and − are buttons too. */
function entries(actions, isAnswer) {
  return [
    { key: "d", name: "About this work", run: actions.details },
    { key: "+", name: "Add to the query", sign: "+", run: actions.plus },
    { key: "-", name: "Subtract from the query", sign: "−", run: actions.minus, needsQuery: true },
    { key: "w", name: "Why it matches", run: actions.why, needsQuery: true },
    { key: "c", name: "Compare with the query", run: actions.versus, needsQuery: true, needsPicture: true },
    { key: "x", name: "Hide this work", run: actions.hide, needsQuery: true },
  ].filter(
    ({ needsQuery, needsPicture }) =>
      (isAnswer || !needsQuery) && (!needsPicture || actions.hasQuery()),
  );
}

/** Make + and −, and the button of the menu, which is made when it is opened. */
function buttons(work, actions, isAnswer) {
  const all = entries(actions, isAnswer);
  const button = (entry, text, more = {}) =>
    make(
      "button",
      {
        type: "button",
        tabIndex: -1,
        title: `${entry.name} (${entry.key})`,
        "aria-label": `${entry.name}: ${described(work)}`,
        onclick: ({ target }) => entry.run(work, placeOf(target)),
        ...more,
      },
      text,
    );
  const menu = make("details", {
    className: "menu",
    ontoggle: () => {
      if (!menu.open || menu.children.length > 1) return;
      const extra = actions.others?.(work) ?? [];
      menu.append(
        make(
          "div",
          {
            onclick: () => {
              menu.open = false;
            },
          },
          all.map((entry) => button(entry, entry.name, { tabIndex: 0 })),
          extra,
        ),
      );
      if (menu.matches(":focus-within")) menu.querySelector("div button").focus();
    },
  });
  menu.append(
    make("summary", { tabIndex: -1, title: "More", "aria-label": `More for ${described(work)}` }, "⋯"),
  );
  return [
    make("div", { className: "weigh" }, all.filter(({ sign }) => sign).map((entry) => button(entry, entry.sign))),
    make("div", { className: "actions" }, menu),
  ];
}

/** Return the place of a card that holds an element. */
function placeOf(element) {
  const item = element.closest("li");
  return cardsOf(item.parentElement).indexOf(item);
}

/** Return the cards of a list of works, without the line between two parts of it. */
export const cardsOf = (list) => [...list.querySelectorAll(":scope > li:not(.below)")];

/** How similar a match is to the query: its percentile, or else its score. */
function similarity(work, isAnswer) {
  const score = work.score.toFixed(3);
  const rank = work.percentile === null ? null : `percentile ${percentile(work.percentile)}`;
  const shares = Object.entries(work.shares).map(([name, share]) => `${name} ${share.toFixed(3)}`);
  const text = [
    rank
      ? `More similar than ${percentile(work.percentile).replace(">", "")}% of ${work.box ? "random parts are to the most similar part of a random work" : "random pairs of works"}`
      : null,
    `Score ${score}; ${isAnswer ? "1 is the same picture" : "above 0.5 is a yes"}`,
    shares.length > 1 ? shares.join(" + ") : null,
  ]
    .filter(Boolean)
    .join(". ");
  return make(
    "div",
    { className: "similarity", title: text },
    make(
      "span",
      { className: "figures" },
      // With a percentile the score is in the title: two figures seldom fit.
      (rank ?? `score ${score}`).split(" ").map((word) => make("span", {}, word)),
    ),
  );
}

/** Return the place that a key leads to. */
function next(links, at, key) {
  if (key === "ArrowRight") return Math.min(at + 1, links.length - 1);
  if (key === "ArrowLeft") return Math.max(at - 1, 0);
  if (key === "Home") return 0;
  if (key === "End") return links.length - 1;
  if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
  const boxes = links.map((link) => link.getBoundingClientRect());
  const from = boxes[at];
  const middle = from.left + from.width / 2;
  const down = key === "ArrowDown";
  let best;
  let least = Infinity;
  boxes.forEach((box, place) => {
    const away = down ? box.top - from.top : from.top - box.top;
    if (away < 8) return;
    // Rows first, then what is nearest across.
    const distance = away * 1e4 + Math.abs(box.left + box.width / 2 - middle);
    if (distance < least) [best, least] = [place, distance];
  });
  return best ?? at;
}
