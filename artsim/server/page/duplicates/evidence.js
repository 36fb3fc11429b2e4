/** Why works are duplicates: the kind of a group, and of each pair what speaks for it. */

export const KINDS = {
  // With the words of 'artsim dupes' and its files.
  exact: "Exact copies",
  near: "Near copies",
  transformed: "Transformed copies",
  "same-work": "Same work",
  series: "Series of look-alikes",
};

/** Say why two works are a pair, for people and exactly; `place(id)` is what one is called. */
export function evidence({ kind, bits, score, transform, first, second }, place) {
  if (kind === "exact") return ["the same file", "The same bytes"];
  if (transform === "cropped") return [`${place(second)} is a part of ${place(first)}`, ""];
  if (transform === "uncropped") return [`${place(first)} is a part of ${place(second)}`, ""];
  if (kind === "transformed") return [transform, ""];
  if (kind === "near") return ["nearly the same picture", `Their fingerprints differ in ${bits} of 64 bits`];
  return [score === null ? "" : "more similar than ordinary neighbors", ""];
}

/** Say what a work of a group of several is most surely a duplicate of. */
export function strongest(work, works, pairs) {
  const order = Object.keys(KINDS);
  const [best] = pairs
    .filter(({ first, second }) => [first, second].includes(work.id))
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || (b.score ?? 0) - (a.score ?? 0));
  if (!best) return "";
  const other = best.first === work.id ? best.second : best.first;
  const number = works.findIndex(({ id }) => id === other) + 1;
  const [said] = evidence(best, (id) => (id === work.id ? "this picture" : "that one"));
  const score = best.score === null ? "" : `similarity ${best.score.toFixed(3)}`;
  return [`To work ${number}: ${said}`, score].filter(Boolean).join(", ");
}
