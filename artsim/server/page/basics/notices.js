/** What the page says: to all who read the screen or hear it, and what went wrong. */

import { byId, show } from "./dom.js";

/** Say something to those who hear the page. */
export function say(text) {
  byId("status").textContent = text;
}

/** Say what went wrong; that a request was canceled is nothing. */
export function fail(error) {
  if (error.name === "AbortError") return;
  byId("error").firstElementChild.textContent = error.message;
  show(byId("error"), true);
}

/** Say what was done, above the end of the window, and offer the way back. */
export function notify(text, back, run) {
  byId("done").textContent = text;
  const button = byId("undo");
  button.textContent = back;
  button.onclick = run;
  show(byId("notice"), true);
  say(`${text}; ${byId("heading").textContent}`);
}

/** Take away what was said of the state before. */
export function clearNotices() {
  show(byId("error"), false);
  show(byId("notice"), false);
}
