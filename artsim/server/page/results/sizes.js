/** The size of the pictures of works, as the visitor chose it. */

import { button, make } from "../basics/dom.js";

const SIZE = "artsim size"; // where the size outlives a visit
const SIZES = ["small", "medium", "large"];

/** Set the size of the pictures that the visitor chose. */
export function setSize(size = localStorage.getItem(SIZE)) {
  const chosen = SIZES.includes(size) ? size : "medium";
  document.documentElement.dataset.size = chosen;
  return chosen;
}

/** Make the choice of a size. */
export function sizes() {
  const now = setSize();
  const choose = (size) => {
    localStorage.setItem(SIZE, size);
    setSize(size);
    for (const each of group.children) {
      each.setAttribute("aria-pressed", String(each.dataset.size === size));
    }
  };
  const group = make(
    "div",
    { className: "sizes", role: "group", "aria-label": "Size of pictures" },
    SIZES.map((size) => {
      const name = `${size[0].toUpperCase()}${size.slice(1)} pictures`;
      const each = button("", () => choose(size), name);
      each.dataset.size = size;
      each.setAttribute("aria-label", name);
      each.setAttribute("aria-pressed", String(size === now));
      return each;
    }),
  );
  return group;
}
