/** The map's frame: what it is coloured by, its legend, and its buttons. */

import { map as findMap } from "./api.js";
import { make, many } from "./dom.js";
import { COLOURS, makeMap } from "./map.js";
import { choice } from "./options.js";

/**
 * Show the map of an index.
 *
 * @param section The element.
 * @param actions href(id), go(id, event), change(changes), say(text).
 */
export function makeMapView(section, actions) {
  let drawn = null; // {index, map, legend}
  let pictures = true;

  function frame(index, points) {
    const map = makeMap(points, index.name, { ...actions, pictures });
    const legend = make("ul", { className: "legend" });
    const columns = index.fields
      .filter((field) => field.type === "text")
      .map((field) => field.name);
    const colour = make("span", {});
    const button = (name, text, run) =>
      make("button", { type: "button", "aria-label": name, title: name, onclick: run }, text);
    section.replaceChildren(
      make(
        "div",
        { className: "bar" },
        make("h2", {}, "Map"),
        make(
          "p",
          { className: "quiet" },
          `${many(points.ids.length, "work")}; what looks alike lies together. ` +
            "Click one to see what is like it.",
        ),
        make(
          "div",
          { className: "tools" },
          make("label", {}, "Colour by ", colour),
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
    return { index: index.name, map, legend, colour, columns, label: null };
  }

  return async function render(state, index, signal) {
    if (drawn?.index === index.name && drawn.label === state.colour) return;
    const points = await findMap(index.name, state.colour, signal);
    if (drawn?.index !== index.name) drawn = frame(index, points);
    else drawn.map.colour(points.values);
    drawn.label = state.colour;
    drawn.colour.replaceChildren(
      choice("colour", "Colour by", drawn.columns, state.colour ?? "", "nothing", (name) =>
        actions.change({ colour: name || null }),
      ),
    );
    drawn.legend.replaceChildren(
      ...points.classes.map((name, at) =>
        make(
          "li",
          {},
          make("i", { variables: { "--colour": COLOURS[at] }, "aria-hidden": "true" }),
          name,
        ),
      ),
      ...(points.values?.some((value) => value < 0)
        ? [make("li", { className: "quiet" }, make("i", { "aria-hidden": "true" }), "others")]
        : []),
    );
    actions.say(`Map of ${many(points.ids.length, "work")}`);
  };
}
