/** The concept that is taught: its marks, kept in this browser, and the concepts that are saved in the index. */

import * as api from "../basics/api.js";
import { keep, kept, whenKept } from "../basics/kept.js";

const NOTHING = { name: "", saved: null, yes: [], no: [] }; // saved: the name it was saved by

/**
 * Keep a concept.
 *
 * @param changed Called when another window of the browser has changed it.
 */
export function makeConcept(changed) {
  let skipped = new Set(); // works that the visitor did not want to mark
  const place = () => `concept ${concept.index}`;

  function read() {
    const found = kept(place(), NOTHING);
    const isWhole = Array.isArray(found.yes) && Array.isArray(found.no);
    concept.now = isWhole ? { ...NOTHING, ...found } : NOTHING;
  }

  function write(changes) {
    concept.now = { ...concept.now, ...changes };
    keep(place(), concept.now);
  }

  function set(changes) {
    write(changes);
    [concept.said, concept.dropped] = ["", null];
  }

  const marked = () => [...concept.now.yes, ...concept.now.no];

  const without = (id) => ({
    yes: concept.now.yes.filter((each) => each !== id),
    no: concept.now.no.filter((each) => each !== id),
  });

  whenKept(place, () => {
    read();
    changed();
  });

  const concept = {
    index: null, // its name
    now: NOTHING,
    known: [], // concepts that are saved
    said: "", // of the last save
    dropped: null, // what Start again took away

    /** Take the concept of another index. */
    async open(name) {
      if (name === concept.index) return;
      concept.index = name;
      read();
      skipped = new Set();
      concept.known = await api.concepts(name).catch(() => []);
    },
    count: () => marked().length,
    /** Return whether a saved concept has these marks. */
    isSaved: () =>
      concept.known.some(({ positive, negative }) => {
        const isSame = (mine, theirs) => mine.every((id) => theirs.includes(id));
        const { yes, no } = concept.now;
        return positive.length + negative.length === marked().length && isSame(yes, positive) && isSame(no, negative);
      }),
    skip: ({ id }) => skipped.add(id),
    skips: () => skipped.size,
    /** Return whether a work may be asked about. */
    isOpen: ({ id }) => !marked().includes(id) && !skipped.has(id),
    /** Mark a work yes or no; marking it the same way again takes the mark away. Return whether it has one. */
    mark({ id }, kind) {
      const isSame = concept.now[kind].includes(id);
      const others = without(id);
      set(isSame ? others : { ...others, [kind]: [...others[kind], id] });
      return !isSame;
    },
    unmark: (id) => set(without(id)),
    rename: (name) => write({ name }),
    /** Go on with another concept. */
    replace(other) {
      skipped = new Set();
      set({ ...NOTHING, ...other });
    },
    /** Take all marks away. */
    drop() {
      const before = concept.now;
      concept.replace(NOTHING);
      concept.dropped = before;
    },
    /** Take back what Start again took away. */
    restore: () => set(concept.dropped),
    /** Save it as columns of the index, under a name. */
    async save(name, replaces) {
      const { yes, no } = concept.now;
      const found = await api.saveConcept(concept.index, { name, positive: yes, negative: no, replaces });
      set({ name, saved: name });
      const held = found.held_out;
      const tested = held
        ? ` Average precision ${held.average_precision.toFixed(2)} on marks that were left out in turn (chance ${held.chance.toFixed(2)}): a rough guide, from few marks.`
        : "";
      concept.said = `Saved as the columns ${found.name} and ${found.score}.${tested}`;
      concept.known = await api.concepts(concept.index);
    },
  };
  return concept;
}
