/** Sets of works that a visitor collects: by name, kept in this browser, for each index. */

import { keep, kept } from "./kept.js";

export const MOST = 500; // works of a set: as many as the server exports
const FIRST = "My set";

/** Return the sets of an index and which of them is open: {open, sets: {name: [id]}}. */
export function readSets(index) {
  const found = kept(`sets ${index}`, null);
  const sets = Object.fromEntries(
    Object.entries(found?.sets ?? {}).filter(
      ([, ids]) => Array.isArray(ids) && ids.every((id) => typeof id === "string"),
    ),
  );
  if (!Object.keys(sets).length) sets[FIRST] = [];
  const open = found?.open in sets ? found.open : Object.keys(sets)[0];
  return { open, sets };
}

export const keepSets = (index, sets) => keep(`sets ${index}`, sets);

/** Return a name that no set has yet: "My set", "My set 2". */
export function freeName(sets, wanted = FIRST) {
  let name = wanted;
  for (let number = 2; name in sets; number++) name = `${wanted} ${number}`;
  return name;
}
