/** What is said about works that were found: a heading, and how they were found. */

import { columnName, count, many, shortName } from "../basics/dom.js";
import { hasEvidence } from "../visit/state.js";

const SIMILAR = 90; // a percentile below which a match is not called similar
const FEW = 20; // works of an index, below which percentiles say little

/** Return the heading of the wall, which shows so many works of those that there are. */
export const wallHeading = ({ total, rows }) =>
  total === rows ? many(total, "work") : `${count(total)} of ${count(rows)} works`;

/** Return the heading of the matches of a query that are shown. */
export function answerHeading({ rows }, works, { state, isChecked }) {
  if (isChecked && works.length) return works.some(hasEvidence) ? "Works with the detail" : "None has the detail";
  if (isFar(rows, works)) return "Nothing is very similar";
  if (!works.length) return "No matches";
  return works.length < state.k ? `${many(works.length, "work")}, most similar first` : "Most similar works";
}

/** Return whether even the best match is no more similar than many others are. */
const isFar = (rows, [best]) => rows >= FEW && (best?.percentile ?? 100) < SIMILAR;

/** Return the name of a query for people: a work by its title. */
export function queryName({ queries: [first, ...others] }) {
  const name = first.work ? shortName({ ...first, id: first.name }) : first.name;
  return others.length ? `${name} and ${others.length} more` : name;
}

/** Say among what an answer was found, and how: the query itself is not counted. */
export function howFound({ rows, searched, left_out: skipped, missing, unknown, matches }, { state, index, isChecked }) {
  const nearest = isFar(rows, matches) && !isChecked ? "The nearest among" : "Among";
  const others = count(searched - skipped);
  const [one, all] = skipped ? ["other work", "other works"] : ["work", "works"];
  const some = searched - skipped === 1 ? one : all;
  const among =
    searched === rows
      ? `${others} ${some}`
      : `the ${others} ${some} of ${count(rows)} that meet the conditions`;
  const { taps } = index;
  const names = Object.keys(state.by).length ? Object.keys(state.by) : [taps[0].name];
  const titles = names.map((name) => taps.find((tap) => tap.name === name)?.title ?? name);
  const hasSome = searched > skipped;
  const said = [
    hasSome ? `${nearest} ${among}` : null,
    hasSome && taps.length > 1 && !state.details ? `compared ${methods(titles)}` : null,
    missing ? `${many(missing, "work")} left out, not in every index compared` : null,
    ...withoutValue(unknown),
  ].filter(Boolean);
  return said.length ? `${said.join("; ")}. ` : "";
}

/** Say by what works are compared: "overall and by color". */
const methods = (titles) =>
  titles
    .map((title) => title.toLowerCase())
    .sort((one, other) => Number(other === "overall") - Number(one === "overall"))
    .map((title) => (title === "overall" ? title : `by ${title}`))
    .join(" and ");

/** Say how many works have no value in the columns of conditions, so that none meets them. */
export function withoutValue(unknown) {
  return Object.entries(unknown).map(([name, works]) => {
    const [have, them] = works === 1 ? ["has", "it"] : ["have", "them"];
    return `${many(works, "work")} ${have} no value in ${columnName(name)}, so conditions on that leave ${them} out`;
  });
}
