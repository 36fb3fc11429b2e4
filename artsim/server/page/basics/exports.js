/** Works as files: what they can be exported as, and the menu of it. */

import * as api from "./api.js";
import { make } from "./dom.js";
import { makeMenu } from "./menus.js";

export const EXPORTS = {
  csv: "CSV for spreadsheets",
  html: "Page with the pictures",
  iiif: "IIIF manifest",
  zip: "Pictures as a zip file",
};

/**
 * Make the menu that exports what is shown.
 *
 * @param save Saves it as a kind.
 * @param {Record<string, string>} kinds Their names, for visitors.
 * @param note Gives what to put below them when the menu is opened: texts and elements.
 */
export function exportMenu(save, kinds = EXPORTS, note = () => []) {
  const said = make("p", { className: "quiet note" });
  const entries = Object.entries(kinds).map(([kind, text]) => [text, () => save(kind)]);
  const menu = makeMenu("export", "Export", entries, said);
  menu.addEventListener("toggle", () => menu.open && said.replaceChildren(...note()));
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

