/** What a visitor decided about duplicates, kept in this browser: works to keep, and works that are none. */

import { keep, kept, whenKept } from "../basics/kept.js";

const NOTHING = { keep: [], different: [] }; // ids

/**
 * Keep decisions.
 *
 * @param changed Called when they have changed, here or in another window.
 */
export function makeDecisions(changed) {
  let index = null; // its name
  let decided = NOTHING;

  function read() {
    const stored = kept(`duplicates ${index}`, NOTHING);
    const isWhole = Array.isArray(stored.keep) && Array.isArray(stored.different);
    decided = isWhole ? stored : NOTHING;
  }

  function decide(changes) {
    decided = { ...decided, ...changes };
    keep(`duplicates ${index}`, decided);
    changed();
  }

  whenKept(
    () => `duplicates ${index}`,
    () => {
      read();
      changed();
    },
  );

  return {
    /** All of them, as the server takes them. */
    get all() {
      return decided;
    },
    get any() {
      return decided.keep.length + decided.different.length > 0;
    },
    /** Take those about an index. */
    open(name) {
      index = name;
      read();
    },
    /** Return what was decided about a group: {isNone, kept, isDecided}. */
    about: (group) => decision(group, decided),
    isDifferent: (id) => decided.different.includes(id),
    /** Keep a work, and no other of its group, or take that back; return whether it is kept. */
    keepOne(work, group) {
      const isIn = decision(group, decided).kept === work.id;
      const others = without(decided.keep, idsOf(group));
      const some = without(decided.different, [work.id]);
      const isNone = !isIn && decision(group, { ...decided, different: some }).isNone; // what was said before
      decide({
        keep: isIn ? others : [...others, work.id],
        different: isNone ? without(some, idsOf(group)) : some,
      });
      return !isIn;
    },
    /** Mark works of a group as no duplicates, or take that back if they are. */
    differ(ids, group, isOut) {
      const others = without(decided.different, ids);
      const different = isOut ? others : [...others, ...ids];
      const { isNone } = decision(group, { ...decided, different });
      decide({ different, keep: isOut ? decided.keep : without(decided.keep, isNone ? idsOf(group) : ids) });
    },
    forget: () => decide(NOTHING),
  };
}

export const idsOf = ({ works }) => works.map(({ id }) => id);

const without = (all, some) => all.filter((each) => !some.includes(each));

/**
 * Return what was decided about a group, by the rule of the exported table: a pair with a work that is no
 * duplicate is none, and one work of the group is kept if pairs are left. Of a large group not all are known here.
 */
function decision({ size, works, pairs }, { keep, different }) {
  const isOut = (id) => different.includes(id);
  const isNone =
    size > works.length ? works.every(({ id }) => isOut(id)) : pairs.every(({ first, second }) => isOut(first) || isOut(second));
  const kept = isNone ? null : (works.find(({ id }) => keep.includes(id))?.id ?? null);
  return { isNone, kept, isDecided: isNone || kept !== null };
}
