/** What opens over the page: all that is known of a work, and why it matches. */

import * as api from "./api.js";
import { asText, columnName, described, headline, make, outline, whereabouts } from "./dom.js";
import { boxOf } from "./grid.js";

/**
 * Open dialogs.
 *
 * @param dialog The element.
 * @param actions index() gives its name; go, plus and minus take a work; isAnswer() returns
 *   whether minus makes sense; closed() is called when one has closed; detail(work, box) searches with a part of it; request(id) gives the request for why;
 *   queries() those of the matches.
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

  async function details(work) {
    const index = actions.index();
    const mine = open(headline(work));
    let found;
    try {
      found = await api.work(index, work.id);
    } catch (error) {
      if (turn === mine) dialog.append(make("p", { role: "alert" }, error.message));
      return;
    }
    if (turn !== mine) return;
    const does = (text, run) =>
      make(
        "button",
        {
          type: "button",
          onclick: (event) => {
            dialog.close();
            run(found, event);
          },
        },
        text,
      );
    const rows = Object.entries(found.metadata).map(([name, value]) => [
      columnName(name),
      asText(value),
    ]);
    const box = boxOf(work);
    const detail = box && `the detail at the ${whereabouts(box)} is outlined`;
    const image = make("img", {
      src: api.picture(index, found.id, 1024),
      alt: detail ? `${described(found)}; ${detail}` : described(found),
      onerror: () =>
        image.parentElement.replaceChildren(
          make("p", { className: "gone" }, "The picture is no longer available."),
        ),
    });
    const ratio = found.width / found.height || 1;
    const framed = make(
      "div",
      { className: "framed", variables: { "--ratio": ratio.toFixed(4) } },
      image,
      box ? outline(box, ratio) : null,
    );
    dialog.append(
      make(
        "div",
        { className: "details" },
        make("div", { className: "whole" }, framed),
        make(
          "div",
          {},
          make("p", { className: "by" }, [found.artist, found.date].filter(Boolean).join(", ")),
          make(
            "p",
            { className: "quiet" },
            [found.accession, found.credit, found.rights].filter(Boolean).join(" · "),
          ),
          found.link
            ? make(
                "p",
                {},
                make(
                  "a",
                  { href: found.link, rel: "noreferrer noopener", target: "_blank" },
                  "Object page",
                ),
              )
            : null,
          make(
            "p",
            { className: "does" },
            does("Find similar works", actions.go),
            box ? does("Find works similar to this detail", () => actions.detail(found, box)) : null,
            does("More like this", actions.plus),
            actions.isAnswer() ? does("Less like this", actions.minus) : null,
          ),
          make(
            "table",
            {},
            make(
              "tbody",
              {},
              [["Id", found.id], ...rows]
                .filter(([, value]) => value)
                .map(([name, value]) =>
                  make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value)),
                ),
            ),
          ),
        ),
      ),
    );
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
        "The yellower a region, the more it contributes to the similarity; gray regions were not compared.",
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

  function keys() {
    const list = [
      ["/", "Search by words, or choose a picture"],
      ["Arrow keys", "Move between works"],
      ["Enter", "Find similar works"],
      ["d", "Details"],
      ["+  −", "More or less like this"],
      ["w", "Why it matches"],
      ["x", "Hide this work"],
      ["u", "Undo hiding"],
      ["Esc", "Close"],
    ];
    open(
      "Keys",
      make(
        "table",
        {},
        make(
          "tbody",
          {},
          list.map(([key, does]) =>
            make(
              "tr",
              {},
              make("th", { scope: "row" }, make("kbd", {}, key)),
              make("td", {}, does),
            ),
          ),
        ),
      ),
    );
  }

  return { details, why, keys };
}
