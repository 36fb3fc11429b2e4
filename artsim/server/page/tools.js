/** The buttons above the works: order and size, export, link, keys. */

import * as api from "./api.js";
import { make } from "./dom.js";

const SIZE = "artsim size"; // where the size of the pictures outlives a visit
const SIZES = ["small", "medium", "large"];

export const EXPORTS = {
  csv: "CSV for spreadsheets",
  html: "Page with the pictures",
  iiif: "IIIF manifest",
  zip: "Pictures as a zip file",
};

/** Set the size of the pictures that the visitor chose. */
export function setSize(size = localStorage.getItem(SIZE)) {
  const chosen = SIZES.includes(size) ? size : "medium";
  document.documentElement.dataset.size = chosen;
  return chosen;
}

const button = (text, onclick, title) => make("button", { type: "button", title, onclick }, text);

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

/**
 * Make the menu that exports what is shown.
 *
 * @param save Saves it as a kind.
 * @param {Record<string, string>} kinds Their names, for visitors.
 * @param note Gives what to put below them when the menu is opened: texts and elements.
 */
export function exportMenu(save, kinds = EXPORTS, note = () => []) {
  const said = make("p", { className: "quiet note" });
  const menu = make(
    "details",
    { className: "menu", ontoggle: () => menu.open && said.replaceChildren(...note()) },
    make("summary", { "data-keep": "export" }, "Export"),
    make(
      "div",
      {},
      Object.entries(kinds).map(([kind, text]) =>
        button(text, () => {
          menu.open = false;
          menu.firstElementChild.focus();
          save(kind);
        }),
      ),
      said,
    ),
  );
  return menu;
}

/** Download works as a file. */
export async function saveWorks(kind, index, name, ids) {
  const file = await api.exportedSet(index, kind, { name, ids });
  download(file, `${name}.${kind === "iiif" ? "json" : kind}`);
}

/** Give the visitor a file. */
export function download(file, name) {
  const href = URL.createObjectURL(file);
  make("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

/** Copy the address; `isWhole` is false where a picture of the visitor is not in it. */
export async function copyLink(target, isWhole) {
  try {
    await navigator.clipboard.writeText(location.href);
    target.textContent = isWhole ? "Copied" : "Copied, without your picture";
  } catch {
    target.textContent = "It is in the address bar";
  }
  setTimeout(() => (target.textContent = "Copy link"), 2500);
  return target.textContent;
}

export { button };
