/** The map's frame: what it is colored by, its legend, and its buttons. */

import { map as findMap } from "./api.js";
import { count, make, many } from "./dom.js";
import { COLORS, makeMap } from "./map.js";
import { choice } from "./options.js";

/**
 * Show the map of an index.
 *
 * @param section The element.
 * @param actions href(id), go(id, event), change(changes), say(text); refineButton() makes the one
 *   that shows the facets.
 */
export function makeMapView(section, actions) {
  let drawn = null; // the frame, and what is in it
  let pictures = true;

  function frame(index, points) {
    const map = makeMap(points, index.name, { ...actions, pictures });
    const legend = make("ul", { className: "legend" });
    const columns = index.fields
      .filter((field) => field.type === "text")
      .map((field) => field.name);
    const summary = make("p", { className: "quiet" });
    const refine = make("span", {});
    const color = make("span", {});
    const button = (name, text, run) =>
      make("button", { type: "button", "aria-label": name, title: name, onclick: run }, text);
    section.replaceChildren(
      make(
        "div",
        { className: "bar" },
        make("h2", {}, "Map"),
        summary,
        make(
          "div",
          { className: "tools" },
          refine,
          make("label", {}, "Color by ", color),
          make(
            "label",
            {},
            make("input", {
              type: "checkbox",
              checked: pictures,
              onchange: (event) => {
                pictures = event.target.checked;
                map.show(pictures);
              },
            }),
            " Pictures",
          ),
          button("Zoom out", "−", () => map.zoom(1 / 1.6)),
          button("Zoom in", "+", () => map.zoom(1.6)),
        ),
      ),
      legend,
      map.element,
    );
    return { index: index.name, map, legend, summary, refine, color, columns };
  }

  return async function render(state, index, signal) {
    const { color: label, conditions } = state;
    const wanted = JSON.stringify({ label, conditions });
    if (drawn?.index === index.name && drawn.wanted === wanted) return;
    const points = await findMap(index.name, { label, conditions }, signal);
    if (drawn?.index !== index.name) drawn = frame(index, points);
    else drawn.map.update(points);
    drawn.wanted = wanted;
    const all = points.ids.length;
    const met = points.met?.filter(Boolean).length ?? all;
    const heading = met === all ? many(all, "work") : `${count(met)} of ${many(all, "work")}`;
    drawn.summary.textContent = met
      ? `${heading}; similar works are close together. Click one to see similar works.`
      : "No works meet these conditions; remove one.";
    drawn.refine.replaceChildren(actions.refineButton());
    drawn.color.replaceChildren(
      choice("color", "Color by", drawn.columns, state.color ?? "", "nothing", (name) =>
        actions.change({ color: name || null }),
      ),
    );
    drawn.legend.replaceChildren(
      ...points.classes.map((name, at) =>
        make(
          "li",
          {},
          make("i", { variables: { "--color": COLORS[at] }, "aria-hidden": "true" }),
          name,
        ),
      ),
      ...(points.values?.some((value) => value < 0)
        ? [make("li", { className: "quiet" }, make("i", { "aria-hidden": "true" }), "others")]
        : []),
    );
    actions.say(`Map of ${heading}`);
  };
}
