/** The record of a work: what is known of it, its duplicates, and where two works differ. */

import { picture } from "../basics/api.js";
import { asText, byline, columnName, copier, count, described, headline, make } from "../basics/dom.js";

/**
 * Make the lines and the table of a work.
 *
 * @param found The work, as the server knows it.
 * @param does What can be done with it: buttons.
 * @param others What shows its duplicates.
 */
export function recordOf(found, does, others) {
  // What the lines say is not said again.
  const rows = Object.entries(found.metadata)
    .filter(([name, value]) => !found.captioned.includes(name) && !isSize(name, value, found))
    .map(([name, value]) => [columnName(name), asText(value)]);
  const lines = [found.title ? byline(found) : "", [found.credit, found.rights].filter(Boolean).join(" · ")];
  return [
    ...lines.filter(Boolean).map((line) => make("p", { className: "by" }, line)),
    found.link ? make("p", {}, away(found.link, "On the museum’s website")) : "",
    make("p", { className: "does" }, does),
    others,
    make(
      "table",
      {},
      make(
        "tbody",
        {},
        numbersOf(found).map(([name, value]) => row(name, ...copied(name, value))),
        [...rows, ["Pixels", pixels(found)], ["File", fileOf(found)]]
          .filter(([, value]) => value)
          .map(([name, value]) => row(name, linked(value))),
      ),
    ),
  ];
}

const row = (name, ...value) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, ...value));

/** Return what a work is found by elsewhere, with its name: its number in the catalog, and the ID here. */
function numbersOf({ accession, captioned, id, metadata }) {
  const column = captioned.find((name) => asText(metadata[name]) === accession);
  const isOther = accession && accession !== id;
  return [...(isOther ? [[columnName(column ?? "Accession number"), accession]] : []), ["ID", id]];
}

/** Make a value with a button that copies it. */
function copied(name, value) {
  const text = make("span", {}, value);
  return [text, " ", copier(text, `Copy the ${name === "ID" ? name : name.toLowerCase()}`)];
}

/** Show the known duplicates of a work; compare(other) is called for the one that is clicked. */
export function duplicatesOf(found, index, compare) {
  const all = found.others ?? [];
  if (!all.length) return "";
  const { kind } = all[0];
  const pictures = all.length === 1 ? "Another picture" : "Other pictures";
  const sure = `${pictures} of this work${kind === "same-work" ? "?" : ""}`; // only their vectors are similar
  const heading = kind === "series" ? "Looks much the same" : sure;
  return make(
    "section",
    { "aria-label": heading },
    make("p", { className: "quiet" }, heading),
    make(
      "div",
      { className: "others" },
      all.map((other) =>
        make(
          "button",
          {
            type: "button",
            title: "Compare side by side",
            "aria-label": `Compare with ${described(other)}, ${other.id}`,
            onclick: () => compare(other),
          },
          make("img", { src: picture(index, other.id), alt: "" }),
          headline(other),
        ),
      ),
    ),
  );
}

/** Say in which columns the records of two works differ, the one on the left first. */
export function differences(left, right) {
  const sides = [left, right];
  const predicted = sides.flatMap((work) => work.predicted); // says nothing of which is the better picture
  const columns = new Set(sides.flatMap(({ metadata }) => Object.keys(metadata)));
  const rows = [
    ["Pixels", ...sides.map(pixels)],
    ["File", ...sides.map(fileOf)],
    ...[...columns]
      .filter((name) => !predicted.includes(name) && !sides.every((work) => isSize(name, work.metadata[name], work)))
      .map((name) => [columnName(name), ...sides.map(({ metadata }) => asText(metadata[name]))]),
  ].filter(([, one, other]) => one !== other);
  if (!rows.length) return make("p", { className: "differences quiet" }, "Their records say the same.");
  const head = make("tr", {}, make("td", {}), sides.map(({ id }) => make("th", { scope: "col" }, id)));
  const body = rows.map(([name, ...values]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, name),
      values.map((value) => make("td", {}, value || "no value")),
    ),
  );
  return make(
    "section",
    { className: "differences", "aria-label": "Differences" },
    make("p", { className: "quiet" }, "Where they differ"),
    make("table", {}, make("thead", {}, head), make("tbody", {}, body)),
  );
}

const pixels = ({ width, height }) => `${width} × ${height}`;

/** Return format and size of a work's file, as far as they are known. */
function fileOf({ file: { format, bytes } }) {
  const size = bytes === null ? "" : bytes < 1e6 ? `${count(Math.ceil(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  return [format, size].filter(Boolean).join(", ");
}

/** Return whether a column only repeats the size of the picture's file. */
const isSize = (name, value, { width, height }) =>
  (name === "width_catalog" && value === width) || (name === "height_catalog" && value === height);

/** Make a link to another website. */
const away = (href, text) => make("a", { href, rel: "noreferrer noopener", target: "_blank" }, text);

/** Return a value of a record; an address on the web as a link. */
const linked = (value) => (/^https?:\/\/\S+$/.test(value) ? away(value, value) : value);
