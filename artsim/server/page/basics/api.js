/** The JSON interface of the server. What it refuses is an Error whose message is a sentence. */

import { asSentence } from "./dom.js";

// A proxy may show the server under a path, in which even "page" may occur.
const BASE = import.meta.url.slice(location.origin.length, import.meta.url.lastIndexOf("/page/") + 1);

// What does something when a press on it ends: also what is drawn on, and moved.
const PRESSED = 'a, button, label, input, summary, [role="application"]';

let released = Promise.resolve(); // settles when what is pressed has done what it does
let release = null; // ends the press, while there is one

addEventListener("pointerdown", ({ button, target }) => {
  if (button !== 0 || release || !(target instanceof Element && target.closest(PRESSED))) return;
  released = new Promise((resolve) => {
    release = resolve;
  });
});
for (const name of ["pointerup", "pointercancel", "contextmenu", "blur"]) {
  // The click comes after the release, but before the next task.
  addEventListener(name, () => setTimeout(() => {
    release?.();
    release = null;
  }));
}

const path = (index, name) => `${BASE}api/${encodeURIComponent(index)}/${name}`;

async function call(address, options = {}) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer; is it still running?");
  }
  if (response.ok) return response;
  let reason = `The server answered ${response.status}`;
  try {
    const body = await response.json();
    reason = body.error ?? reason;
  } catch {
    // it was no JSON: a proxy's page
  }
  throw Object.assign(new Error(asSentence(reason)), { status: response.status });
}

/** Call, and wait for a press to end: an element that an answer replaces meanwhile gets no click. */
async function ask(address, options) {
  const answer = await (await call(address, options)).json();
  await released;
  options.signal?.throwIfAborted(); // the click may have asked for something else
  return answer;
}

const get = (address, signal) => ask(address, { signal });

const posted = (body, signal) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
  signal,
});

const send = (address, body) => call(address, posted(body));
const post = (address, body, signal) => ask(address, posted(body, signal));

export const indexes = () => get(`${BASE}api/indexes`);
export const search = (index, request, signal) => post(path(index, "search"), request, signal);
export const verified = (index, request, signal) => post(path(index, "verify"), request, signal);
export const browse = (index, wanted, signal) => post(path(index, "browse"), wanted, signal);
export const facets = (index, wanted, signal) => post(path(index, "facets"), wanted, signal);
export const values = (index, wanted) => post(path(index, "values"), wanted);
export const why = (index, request, signal) => post(path(index, "why"), request, signal);
export const map = (index, wanted, signal) => post(path(index, "map"), wanted, signal);
export const groups = (index) => get(path(index, "groups"));

const known = new Map(); // works requested before, by address

/** Return a work with its label and its record. */
export function work(index, id) {
  const address = `${path(index, "work")}?id=${encodeURIComponent(id)}`;
  if (!known.has(address)) {
    const found = get(address);
    found.catch(() => known.delete(address));
    known.set(address, found);
  }
  return known.get(address);
}

/** Forget works requested before: what is known of them has changed. */
export const forget = () => known.clear();

/** Return the address of a work's picture, so many pixels at its longer side: 320 or 1024. */
export const picture = (index, id, side = 320) =>
  `${path(index, "picture")}?id=${encodeURIComponent(id)}&side=${side}`;

/** Return the address of a part of a work's picture, in its pixels, so many pixels wide. */
export const part = (index, id, [x, y, width, height], wide) =>
  `${BASE}iiif/${encodeURIComponent(index)}/${encodeURIComponent(id)}/` +
  `${x},${y},${width},${height}/${wide},/0/default.jpg`;

/** Send a picture's file; it is kept for later queries under the sha256 that is returned. */
export async function upload(index, file) {
  const headers = { "content-type": file.type || "image/unknown" };
  return (await call(path(index, "uploads"), { method: "POST", headers, body: file })).json();
}

/** Return the answer to a request as a file: csv, html or iiif. */
export const exported = async (index, kind, request) =>
  (await send(path(index, `export/${kind}`), request)).blob();

/** Return words to search with that contain some text. */
export const suggestions = (index, text) =>
  get(`${path(index, "suggestions")}?text=${encodeURIComponent(text)}`);

/** Learn from marks: the likeliest works, and those to mark next. */
export const teach = (index, wanted, signal) => post(path(index, "teach"), wanted, signal);
export const concepts = (index) => get(path(index, "concepts"));
export const saveConcept = (index, concept) => post(path(index, "concepts"), concept);
export const exportedConcept = async (index, kind, marks) =>
  (await send(path(index, `teach/${kind}`), marks)).blob();

export const sets = (index) => get(path(index, "sets"));
export const saveSet = (index, set) => post(path(index, "sets"), set);

export const deleteSet = (index, name) =>
  call(`${path(index, "sets")}?name=${encodeURIComponent(name)}`, { method: "DELETE" });

/** Return a set as a file: csv, html, iiif or zip. */
export const exportedSet = async (index, kind, set) =>
  (await send(path(index, `sets/export/${kind}`), set)).blob();

/** Return a page of the groups of duplicates, or how far the search is. */
export const duplicates = (index, wanted, signal) => post(path(index, "duplicates"), wanted, signal);
export const exportedDuplicates = async (index, decided) =>
  (await send(path(index, "duplicates/csv"), decided)).blob();
