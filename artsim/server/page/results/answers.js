/** The works that a state asks for. Answers are remembered, so that Back need not wait. */

import * as api from "../basics/api.js";
import { CHECKED, filters, request as requestOf } from "../visit/state.js";
import { checked } from "./checks.js";

const REMEMBERED = 30; // answers
const AT_ONCE = 200; // works of the wall in one request

const answers = new Map(); // by what was asked

function remember(key, found) {
  answers.delete(key);
  answers.set(key, found);
  if (answers.size > REMEMBERED) answers.delete(answers.keys().next().value);
  return found;
}

/**
 * Return the matches of a query.
 *
 * @param stop Gives up a check of their details, while it is waited for.
 */
export async function search({ state, isChecked }, signal, stop) {
  const request = requestOf(state);
  if (isChecked) request.k = CHECKED;
  const key = JSON.stringify([state.index, request, isChecked]);
  if (answers.has(key)) return remember(key, answers.get(key));
  const found = isChecked
    ? await checked(state.index, request, signal, stop)
    : await api.search(state.index, request, signal);
  return remember(key, found);
}

/** Return the first works of the wall; what is shown already is not requested again. */
export async function browse({ state }, signal, most = state.k) {
  const key = JSON.stringify([state.index, filters(state), state.seed]);
  let { works, ...counts } = answers.get(key) ?? { total: Infinity, works: [] };
  while (works.length < Math.min(most, counts.total)) {
    const limit = Math.min(AT_ONCE, most - works.length);
    const wanted = { ...filters(state), offset: works.length, limit, seed: state.seed };
    const { works: more, ...now } = await api.browse(state.index, wanted, signal);
    const isChanged = works.length > 0 && now.rows !== counts.rows; // embedded again: from the start
    counts = now;
    works = isChanged ? [] : [...works, ...more];
    if (!isChanged && !more.length) break;
  }
  remember(key, { ...counts, works });
  return { ...counts, works: works.slice(0, most) };
}
