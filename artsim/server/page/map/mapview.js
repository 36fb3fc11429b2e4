/** The map's frame: what it is colored by, its legend, and its buttons. */

import { groups as findGroups, map as findMap } from "../basics/api.js";
import { columnName, commands, count, make, many } from "../basics/dom.js";
import { say } from "../basics/notices.js";
import { choice } from "../query/options.js";
import { filters } from "../visit/state.js";
import { GRADIENT, classColor } from "./colors.js";
import { makeMap } from "./map.js";

const CENTURY = "century of "; // a column of years, as the server names it

/**
 * Show the map of an index.
 *
 * @param section The element.
 * @param actions href(id), go(id, event), change(changes); tools(works) makes what else can be done
 *   with so many works.
 */
export function makeMapView(section, actions) {
  let drawn = null; // the frame, and what is in it
  let pictures = true;

  function frame(index, points) {
    const map = makeMap(points, index.name, {
      ...actions,
      pictures,
      lassoed: (lasso) => {
        press(false);
        actions.change({ lasso });
      },
    });
    const legend = make("ul", { className: "legend" });
    const columns = index.colors;
    const summary = make("span", {});
    const hint = make("span", { role: "status" }); // while an area is drawn
    const refine = make("span", {});
    const color = make("span", {});
    const button = (name, text, run) =>
      make(
        "button",
        {
          type: "button",
          title: name,
          "aria-label": text.length > 1 ? text : name, // a sign alone says little
          onclick: run,
        },
        text,
      );
    const area = button("Drag around works to select them", "Select an area", () =>
      press(area.getAttribute("aria-pressed") !== "true"),
    );
    function press(on) {
      area.setAttribute("aria-pressed", String(on));
      map.draws(on);
      summary.classList.toggle("away", on); // it keeps its place, so that nothing below moves
      hint.textContent = on ? "Draw around the works, on the map." : "";
    }
    press(false);
    section.replaceChildren(
      make(
        "div",
        { className: "bar" },
        make("h2", {}, "Map"),
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
          area,
          button("Show the whole map", "Reset", map.reset),
          make(
            "span",
            {},
            button("Zoom out", "−", () => map.zoom(1 / 1.6)),
            button("Zoom in", "+", () => map.zoom(1.6)),
          ),
        ),
        make("p", { className: "quiet one-place" }, summary, hint),
      ),
      legend,
      map.element,
    );
    findGroups(index.name).then(map.name, () => {}); // the map is as good without names
    return { index: index.name, map, legend, summary, refine, color, columns };
  }

  return async function render(state, index, signal) {
    if (!index.map) {
      const making = commands(`artsim map ${index.path}`);
      section.replaceChildren(make("div", { className: "none" }, "There is no map yet. To make one, run", making));
      drawn = null;
      return;
    }
    const request = { ...filters(state), label: state.color };
    const wanted = JSON.stringify([request, index.map]);
    if (drawn?.index === index.name && drawn.wanted === wanted) return;
    const points = await findMap(index.name, request, signal);
    const isSame = drawn?.index === index.name && String(drawn.made) === String(index.map);
    if (!isSame) drawn = { ...frame(index, points), made: index.map };
    else drawn.map.update(points);
    drawn.wanted = wanted;
    const all = points.ids.length;
    const met = points.met?.filter(Boolean).length ?? all;
    const heading = met === all ? many(all, "work") : `${count(met)} of ${many(all, "work")}`;
    drawn.summary.textContent = met
      ? `${heading}; similar works are close together. Choose one to see similar works.`
      : "No works meet these conditions; remove one.";
    drawn.refine.replaceChildren(...actions.tools(met < all ? met : 0));
    drawn.color.replaceChildren(
      choice(
        "color",
        "Color by",
        drawn.columns,
        state.color ?? "",
        "nothing",
        (name) => actions.change({ color: name || null }),
        (name) => colorName(name, drawn.columns),
      ),
    );
    const works = new Map();
    points.values?.forEach((value, at) => {
      if (points.met?.[at] !== 0) works.set(value, (works.get(value) ?? 0) + 1);
    });
    const others = works.get(-2) ?? 0;
    const rest = [
      [`${many(points.others, "other value")} (${many(others, "work")}), gray: choose some in Refine to color them`, others],
      [`no value (${count(works.get(-1) ?? 0)})`, works.get(-1) ?? 0],
    ];
    drawn.legend.replaceChildren(
      ...(points.low === null ? [] : [gradient(points)]),
      ...points.classes.map((name, at) =>
        make(
          "li",
          {},
          make("i", { variables: { "--color": `rgb(${classColor(points, at)})` }, "aria-hidden": "true" }),
          `${name} (${count(works.get(at) ?? 0)})`,
        ),
      ),
      ...rest
        .filter(([, number]) => number > 0)
        .map(([name]) =>
          make("li", { className: "quiet" }, make("i", { "aria-hidden": "true" }), name),
        ),
    );
    const { legend } = drawn;
    if (legend.scrollWidth > legend.clientWidth) legend.tabIndex = 0; // on a phone, for the arrow keys
    else legend.removeAttribute("tabindex");
    say(`Map of ${heading}`);
  };
}

/** Return what a color is called: "century" says enough where one column has years. */
function colorName(name, columns) {
  const of = columns.includes(name) && name.startsWith(CENTURY) ? name.slice(CENTURY.length) : null;
  const isOnly = columns.filter((each) => each.startsWith(CENTURY)).length === 1;
  if (of === null) return columnName(name).toLowerCase();
  return isOnly ? "century" : `century (${columnName(of).toLowerCase()})`;
}

/** Make the legend of numbers, from low to high. */
function gradient({ ends: [low, high] }) {
  return make(
    "li",
    { className: "shades" },
    low,
    make("i", { variables: { background: GRADIENT }, "aria-hidden": "true" }),
    high,
  );
}
