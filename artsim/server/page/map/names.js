/** The names of groups on the map: the largest groups first, and none over another. */

import { make } from "../basics/dom.js";

const LARGE = 80; // pixels of a picture, from which on one looks at pictures, no longer at groups
const SHARE = 0.14; // of the map, that names take at most
const STEPS = [0, 1, -1, 2, -2, 3, -3]; // places that are tried, in half heights from the middle of the group
const GAP = [6, 3]; // pixels around a name, across and down

/** @type {(box: number[], other: number[]) => boolean} */
const overlaps = ([x, y, w, h], [atX, atY, wide, high]) =>
  Math.abs(atX - x) < wide + w && Math.abs(atY - y) < high + h;

const clamp = (value, half, whole) => Math.max(half, Math.min(whole - half, value));

/**
 * Make the names.
 *
 * @returns The element; set(groups), each with a name, its middle x and y, and its works;
 *   place({width, height, placed, side}) puts them on the screen: placed(x, y) gives the place of a middle, and
 *   side is that of pictures; covers([x, y, half width, half height]) says whether a name is there;
 *   areSeen() says whether they are.
 */
export function makeNames() {
  const element = make("div", { className: "names", "aria-hidden": "true" });
  let groups = [];
  let taken = []; // boxes

  function set(given) {
    groups = [...given].sort((one, other) => other.works - one.works);
    element.replaceChildren(
      ...groups.map((group) => make("span", { title: `${group.works} works` }, make("b", {}, group.name.split(/(?<=,) /).flatMap((part) => [make("i", {}, part), " "])))),
    );
    for (const label of element.children) {
      const { width: wide } = label.firstChild.getBoundingClientRect();
      if (wide) label.style.width = `calc(${wide}px + 1rem)`; // no wider than its longest line
    }
  }

  function place({ width, height, placed, side }) {
    taken = [];
    element.classList.toggle("faded", side > LARGE);
    if (side > LARGE) return;
    let left = SHARE * width * height;
    groups.forEach((group, at) => {
      const label = element.children[at];
      const [w, h] = [label.offsetWidth / 2 + GAP[0], label.offsetHeight / 2 + GAP[1]];
      const [x, y] = placed(group.x, group.y);
      const isSeen = x > 0 && y > 0 && x < width && y < height && 4 * w * h < left;
      const boxes = isSeen ? STEPS.map((step) => [clamp(x, w, width), clamp(y + step * h, h, height), w, h]) : [];
      const box = boxes.find((each) => !taken.some((other) => overlaps(each, other)));
      label.classList.toggle("away", !box);
      if (!box) return;
      taken.push(box);
      left -= 4 * w * h;
      label.style.transform = `translate(${box[0] - w + GAP[0]}px, ${box[1] - h + GAP[1]}px)`;
    });
  }

  const covers = (box) => taken.some((each) => overlaps(box, each));
  return { element, set, place, covers, areSeen: () => taken.length > 0 };
}
