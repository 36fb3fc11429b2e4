/** What opens over the page: questions, and why a work matches. */

import * as api from "./api.js";
import { aboutRegions, columnName, described, make } from "./dom.js";

/**
 * Open dialogs.
 *
 * @param dialog The element.
 * @param actions index() gives its name; request(id) gives the request for why; queries() those of
 *   the matches; closed() is called when one has closed.
 */
export function makeDialogs(dialog, actions) {
  let turn = 0; // of what is shown; an answer to what was closed is dropped

  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // next to it
  });
  dialog.addEventListener("close", () => {
    turn++;
    dialog.replaceChildren();
    actions.closed();
  });

  /** Show something under a title. */
  function open(title, ...parts) {
    const close = make(
      "button",
      { type: "button", className: "close", "aria-label": "Close", onclick: () => dialog.close() },
      "×",
    );
    dialog.replaceChildren(close, make("h2", { id: "dialog-title" }, title), ...parts);
    if (!dialog.open) dialog.showModal();
    close.focus();
    return ++turn;
  }

  /**
   * Ask before something is lost, or for a name.
   *
   * @param yes What the button says that agrees.
   * @param name The name to begin with, if one is asked for.
   * @returns Whether the visitor agrees, or the name; false if not.
   */
  function ask(question, yes, name) {
    return new Promise((resolve) => {
      const end = (is) => (resolve(is), dialog.close());
      const input = make("input", {
        type: "text",
        value: name,
        maxLength: 90,
        "aria-labelledby": "dialog-title",
        onkeydown: (event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          agree();
        },
      });
      const agree = () => end(name === undefined || input.value.trim() || false);
      const answer = (text, run) => make("button", { type: "button", onclick: run }, text);
      const buttons = make("p", { className: "does" }, answer(yes, agree), answer("Cancel", () => end(false)));
      open(question, ...(name === undefined ? [] : [input]), buttons);
      if (name !== undefined) {
        input.focus();
        input.select();
      }
      dialog.addEventListener("close", () => resolve(false), { once: true });
    });
  }

  async function why(work) {
    const waits = make("p", { className: "quiet", role: "status" }, "Comparing regions…");
    const mine = open("Why it matches", waits);
    let found;
    try {
      found = await api.why(actions.index(), actions.request(work.id));
    } catch (error) {
      if (turn === mine) waits.replaceWith(make("p", { role: "alert" }, error.message));
      return;
    }
    if (turn !== mine) return;
    const total = Object.values(found.shares).reduce((sum, share) => sum + share, 0);
    const parts = found.parts.map(({ name, image }, place) => {
      const isMatch = place === found.parts.length - 1;
      const query = actions.queries().find((each) => each.name === name && each.work);
      const title = isMatch ? described(work) : query ? described({ ...query, id: name }) : name;
      return make(
        "figure",
        {},
        make("img", { src: image, alt: `${title}, with the matching regions highlighted` }),
        make("figcaption", {}, title),
      );
    });
    const shares = Object.entries(found.shares);
    waits.replaceWith(
      make(
        "p",
        { className: "quiet" },
        aboutRegions(found),
      ),
      make("div", { className: "why" }, parts),
      shares.length > 1
        ? make(
            "table",
            {},
            make("caption", {}, "Share of the score"),
            make(
              "tbody",
              {},
              shares.map(([name, share]) =>
                make(
                  "tr",
                  {},
                  make("th", { scope: "row" }, columnName(name)),
                  make("td", {}, share.toFixed(3)),
                  make("td", {}, total ? `${Math.round((share / total) * 100)}%` : ""),
                ),
              ),
            ),
          )
        : make("p", { className: "quiet" }, `Score ${work.score.toFixed(3)}`),
    );
  }

  return {
    open,
    ask,
    why,
    close() {
      if (dialog.open) dialog.close();
    },
  };
}
