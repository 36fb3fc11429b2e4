/** Works as rows of equal height, walked through with the arrow keys. */

import { picture } from "./api.js";
import { described, make } from "./dom.js";

const NARROWEST = 0.55; // width by height of a place; pictures beyond are shown whole within it
const WIDEST = 2.6;

/**
 * Show works in a list.
 *
 * @param list The element that holds them.
 * @param actions What can be done with a work: href(work), go(work, event), and details, plus,
 *   minus and why, each given the work; index() gives the name of their index.
 */
export function makeGrid(list, actions) {
  let shown = []; // works, in order

  const links = () => [...list.querySelectorAll("a.picture")];

  function step(event) {
    const all = links();
    const at = all.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const run = { d: actions.details, "+": actions.plus, "-": actions.minus, w: actions.why }[
      event.key
    ];
    const button = run && all[at].closest("li").querySelector(`[data-key="${event.key}"]`);
    if (button) {
      event.preventDefault();
      button.click();
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
    for (const each of link.closest("li").querySelectorAll("a, button")) each.tabIndex = 0;
  }

  list.addEventListener("keydown", step);
  list.addEventListener("focusin", (event) => {
    const link = event.target.closest("li")?.querySelector("a.picture");
    if (link) enter(link);
  });

  return {
    /** Show works; those that are there already stay, so that "more" keeps the place. */
    render(works, isAnswer) {
      const kind = `${isAnswer ? "answer" : "wall"} ${actions.index()}`;
      const differs = (work, at) => work.id !== works[at]?.id || work.score !== works[at]?.score;
      const stays = list.dataset.kind === kind && !shown.some(differs);
      if (!stays) list.replaceChildren();
      links().forEach((link, at) => (link.href = actions.href(works[at])));
      const added = works.slice(stays ? shown.length : 0);
      list.append(...added.map((work) => card(work, actions, isAnswer)));
      list.dataset.kind = kind;
      shown = works;
      if (!stays && works.length) enter(links()[0]);
    },
    /** Put the focus on a work, by its place. */
    focus(at = 0) {
      links()[at]?.focus({ preventScroll: at === 0 });
    },
    length: () => shown.length,
  };
}

function card(work, actions, isAnswer) {
  const ratio = Math.min(WIDEST, Math.max(NARROWEST, work.width / work.height || 1));
  const image = make("img", {
    src: picture(actions.index(), work.id),
    alt: described(work),
    loading: "lazy",
    decoding: "async",
    onerror: () => image.replaceWith(make("span", { className: "gone" }, described(work))),
  });
  const action = (key, name, sign, run) =>
    make(
      "button",
      {
        type: "button",
        tabIndex: -1,
        title: `${name} (${key})`,
        "aria-label": `${name}: ${described(work)}`,
        "data-key": key,
        onclick: () => run(work),
      },
      sign,
    );
  const link = make(
    "a",
    {
      className: "picture",
      href: actions.href(work),
      tabIndex: -1,
      onclick: (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        actions.go(work, event);
      },
    },
    image,
  );
  return make(
    "li",
    { variables: { "--ratio": ratio.toFixed(4) } },
    link,
    make(
      "div",
      { className: "caption" },
      isAnswer ? likeness(work) : null,
      make("p", { className: "title" }, work.title || work.id),
      make("p", { className: "by" }, [work.artist, work.date].filter(Boolean).join(", ")),
    ),
    make(
      "div",
      { className: "actions" },
      action("d", "Details", "i", actions.details),
      action("+", "More like this too", "+", actions.plus),
      isAnswer ? action("-", "Less like this", "−", actions.minus) : null,
      isAnswer ? action("w", "Why it matches", "?", actions.why) : null,
    ),
  );
}

/** How like the query a match is, as a quiet bar and in figures. */
function likeness(work) {
  const score = work.score.toFixed(3);
  const percentile = work.percentile === null ? null : Number(work.percentile.toPrecision(4));
  const shares = Object.entries(work.shares).map(([name, share]) => `${name} ${share.toFixed(3)}`);
  const said = [
    `Score ${score} of at most 1`,
    percentile === null ? null : `more alike than ${percentile} % of random pairs`,
    shares.length > 1 ? shares.join(" + ") : null,
  ]
    .filter(Boolean)
    .join("; ");
  const length = `${Math.max(0, Math.min(1, work.score)) * 100}%`;
  return make(
    "div",
    { className: "likeness", title: said },
    make(
      "span",
      { className: "track", "aria-hidden": "true" },
      make("i", { variables: { width: length } }),
    ),
    make(
      "span",
      { className: "figures" },
      make("span", {}, score),
      percentile === null ? null : make("span", {}, `${percentile} %`),
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
