/** Sets of works that a visitor collects: by name, for each index, kept in this browser and saved on the server. */

import * as api from "../basics/api.js";
import { keep, kept, whenKept } from "../basics/kept.js";

export const MOST = 500; // works of a set: as many as the server exports
const FIRST = "My set";

/**
 * Keep sets; one of them is open.
 *
 * @param changed Called when they have changed, here or in another window.
 */
export function makeSets(changed) {
  let own = {}; // ids of works, by the name of the set
  let saved = {}; // the sets that the server has, unless they were changed here

  const all = () => ({ ...saved, ...own });
  const ids = () => all()[sets.open] ?? [];
  const has = (id) => ids().includes(id);

  function read() {
    const found = kept(`sets ${sets.index}`, null);
    own = Object.fromEntries(
      Object.entries(found?.sets ?? {}).filter(
        ([, some]) => Array.isArray(some) && some.every((id) => typeof id === "string"),
      ),
    );
    if (!Object.keys(own).length) own[FIRST] = [];
    sets.open = found?.open in own ? found.open : Object.keys(own)[0];
  }

  function set(open, others) {
    [sets.open, own] = [open, others];
    keep(`sets ${sets.index}`, { open, sets: own });
    changed();
  }

  const put = (some) => set(sets.open, { ...own, [sets.open]: some });

  /** Take the sets that the server has. */
  async function load() {
    const mine = sets.index;
    const found = await api.sets(mine).catch(() => []);
    if (mine !== sets.index) return;
    saved = Object.fromEntries(found.map((each) => [each.name, each.ids]));
    changed();
  }

  function rename(name) {
    const { [sets.open]: _, ...others } = own;
    set(name, { [name]: ids(), ...others });
  }

  whenKept(
    () => `sets ${sets.index}`,
    () => {
      read();
      changed();
    },
  );

  const sets = {
    index: null, // its name
    open: FIRST, // the name of the open set
    ids,
    has,
    put,
    load,
    rename,
    names: () => Object.keys(all()),
    /** Return whether the server has a set. */
    isSaved: (name) => name in saved,
    /** Take the sets of another index; return whether it is another. */
    use(name) {
      if (name === sets.index) return false;
      sets.index = name;
      read();
      saved = {};
      load();
      return true;
    },
    choose: (name) => set(name, own),
    start: (name) => set(name, { [name]: [], ...all() }),
    /** Return a name that no set has yet: "New set", "New set 2". */
    freeName(wanted) {
      let name = wanted;
      for (let number = 2; name in all(); number++) name = `${wanted} ${number}`;
      return name;
    },
    /** Put a work of the set at another place; return which, or null if it is there. */
    move(id, to) {
      const others = ids().filter((each) => each !== id);
      const at = Math.max(0, Math.min(others.length, to));
      if (ids().indexOf(id) === at) return null;
      put([...others.slice(0, at), id, ...others.slice(at)]);
      return at;
    },
    /** Delete the open set, also from the server. */
    async remove(isSaved) {
      const name = sets.open;
      if (isSaved) {
        await api.deleteSet(sets.index, name);
        delete saved[name];
      }
      const { [name]: _, ...others } = own;
      keep(`sets ${sets.index}`, { open: "", sets: others });
      read();
      changed();
    },
    /** Save the open set as a column of the index. */
    async save(column, replaces) {
      await api.saveSet(sets.index, { name: column, ids: ids(), replaces });
      if (column !== sets.open) rename(column);
    },
  };
  return sets;
}
