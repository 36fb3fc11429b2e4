/** The same query in another index, as far as it can be asked there. */

import * as api from "../basics/api.js";
import { notify } from "../basics/notices.js";
import { START, moved } from "./state.js";

/** Return the changes that lead to another index: with the query, if all of it can be asked there. */
export async function elsewhere({ state, index }, other) {
  const asked = await Promise.all(state.terms.map((term) => canAsk(term, index, other)));
  const start = { ...START, index: other.name };
  return state.terms.length && asked.every(Boolean) ? moved(state, other) : start;
}

/** Go to another index; if the query cannot be asked there, that is said. */
export async function goElsewhere(visit, name) {
  const { index: before, terms } = visit.state;
  const there = await elsewhere(visit, visit.indexes.find((each) => each.name === name));
  await visit.go(there);
  const { state } = visit;
  if (!terms.length || there.terms.length || state.index !== name || state.terms.length) return;
  const isOne = terms.length === 1 && terms[0].id !== undefined;
  const lost = isOne ? `The work you searched with is not in ${name}` : `${name} cannot be searched with this query`;
  notify(lost, `Back to ${before}`, () => history.back());
}

/** Return whether another index has a part of the query; the same id may be of another work there. */
async function canAsk({ id, text, url }, index, other) {
  if (text !== undefined) return other.words;
  if (id === undefined) return other.pictures && (url === undefined || other.urls);
  const works = [index, other].map(({ name }) => api.work(name, id));
  const [here, there] = await Promise.all(works).catch(() => [{}, null]);
  return there !== null && ["title", "width", "height"].every((name) => here[name] === there[name]);
}
