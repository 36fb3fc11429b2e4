/** Works as rows of equal height, walked through with the arrow keys. */

import { picture } from "./api.js";
import { described, make, outline, whereabouts } from "./dom.js";

const NARROWEST = 0.55; // width by height of a place; pictures beyond are shown whole within it
const WIDEST = 2.6;

/**
 * Show works in a list.
 *
 * @param list The element that holds them.
 * @param actions What can be done with a work: href(work), go(work, event), and details, plus,
 *   minus, why and hide, each given the work and its place; index() gives the name of their index.
 */
export function makeGrid(list, actions) {
  let shown = []; // works, in order

  const links = () => [...list.querySelectorAll("a.picture")];

  function step(event) {
    const all = links();
    const at = all.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = CSS.escape(event.key);
    const button = all[at].closest("li").querySelector(`[data-key="${key}"]`);
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
      const differs = (work, at) =>
        ["id", "score", "box"].some((name) => work[name] !== works[at]?.[name]);
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
  const action = (key, name, sign, run) =>
    make(
      "button",
      {
        type: "button",
        tabIndex: -1,
        title: `${name} (${key})`,
        "aria-label": `${name}: ${described(work)}`,
        "data-key": key,
        onclick: (event) => run(work, placeOf(event.target)),
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
    box ? outline(box, own, ratio) : null,
  );
  return make(
    "li",
    { variables: { "--ratio": ratio.toFixed(4) } },
    link,
    make(
      "div",
      { className: "caption" },
      isAnswer ? similarity(work) : null,
      make("p", { className: "title" }, work.title || work.id),
      make("p", { className: "by" }, [work.artist, work.date].filter(Boolean).join(", ")),
      detail ? make("p", { className: "by" }, detail) : null,
    ),
    make(
      "div",
      { className: "actions" },
      action("d", "Details", "i", actions.details),
      action("+", "More like this", "+", actions.plus),
      isAnswer ? action("-", "Less like this", "−", actions.minus) : null,
      isAnswer ? action("w", "Why it matches", "?", actions.why) : null,
      isAnswer ? action("x", "Hide this work", "×", actions.hide) : null,
    ),
  );
}

/** Return the place of a card that holds an element. */
function placeOf(element) {
  const item = element.closest("li");
  return [...item.parentElement.children].indexOf(item);
}

/** How similar a match is to the query, as a quiet bar and in figures. */
function similarity(work) {
  const score = work.score.toFixed(3);
  const percentile = work.percentile === null ? null : Number(work.percentile.toPrecision(4));
  const shares = Object.entries(work.shares).map(([name, share]) => `${name} ${share.toFixed(3)}`);
  const text = [
    `Score ${score} of at most 1`,
    percentile === null ? null : `more similar than ${percentile}% of random pairs`,
    shares.length > 1 ? shares.join(" + ") : null,
  ]
    .filter(Boolean)
    .join("; ");
  const length = `${Math.max(0, Math.min(1, work.score)) * 100}%`;
  return make(
    "div",
    { className: "similarity", title: text },
    make(
      "span",
      { className: "track", "aria-hidden": "true" },
      make("i", { variables: { width: length } }),
    ),
    make(
      "span",
      { className: "figures" },
      make("span", {}, score),
      percentile === null ? null : make("span", {}, `${percentile}%`),
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
