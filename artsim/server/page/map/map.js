/** The map of a collection: similar works close together, as points and as pictures. */

import { picture, work as findWork } from "../basics/api.js";
import { described, make } from "../basics/dom.js";
import { watchGestures } from "../basics/gestures.js";
import { colorOf, plainColor } from "./colors.js";
import { makeLasso } from "./lasso.js";
import { makeNames } from "./names.js";
import { makeMapPictures } from "./pictures.js";
import { makePoints } from "./points.js";
import { makeViewport } from "./viewport.js";

const REACH = 16; // pixels from a point that still mean it
const STILL = 5; // pixels that a pointer may travel in a click
const AWAY = 0.1; // how much is seen of a point that does not meet the conditions
const MOVES = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };

/**
 * Draw a map on a canvas that can be moved, zoomed and clicked.
 *
 * @param points ids, x, y, met (1 of what meets the conditions, or null if there are none), values
 *   (places in classes, or shades, or null), classes and ordered, as the server sends.
 * @param index Name.
 * @param options go(id, event) searches with a work; pictures: whether to draw them; lassoed(corners)
 *   is called with an area that was drawn.
 * @returns The element; zoom(by); reset(); draws(on): whether dragging draws an area;
 *   show(pictures) to draw them or not; update(points) for others; name(groups) of neighbors.
 */
export function makeMap(points, index, options) {
  const under = make("canvas", { className: "points", "aria-hidden": "true" });
  const canvas = make("canvas", {
    tabIndex: 0,
    role: "application",
    "aria-label":
      "Map of the collection. Arrow keys move it, plus and minus zoom, 0 shows all, " +
      "Enter finds works similar to the one in the middle.",
  });
  const card = makePoints(under);
  const names = makeNames();
  const tip = make("a", { className: "tip", hidden: true });
  const frame = make("div", { className: "map-frame" }, under, canvas, names.element, tip);
  const viewport = makeViewport(points);
  const lasso = makeLasso();
  const pictures = makeMapPictures(index, viewport, names, soon);
  let hasPictures = options.pictures;
  let near = -1; // the point under the pointer
  let waiting = false;
  let isDrawing = false; // an area, by dragging
  let shown = [];

  const toScreen = (at, by) => viewport.placed(points.x[at], points.y[at], by);

  function isMet(at) {
    return points.met === null || points.met[at] === 1;
  }

  /** Hand the points to what draws them: those that meet the conditions on top. */
  function load() {
    const all = points.ids.map((_, at) => at);
    shown = all.filter(isMet);
    const isPlain = (at) => points.values !== null && points.values[at] < 0;
    const order = [...all.filter((at) => !isMet(at)), ...shown.filter(isPlain), ...shown.filter((at) => !isPlain(at))];
    const plain = plainColor(Boolean(points?.values));
    const colors = new Uint8Array(4 * order.length);
    order.forEach((at, place) => {
      const seen = !isMet(at) ? AWAY : isPlain(at) ? 1 : 0.8; // paler, the plain ones could not be seen
      colors.set([...colorOf(points, at, plain), Math.round(255 * seen)], 4 * place);
    });
    card.set(
      order.map((at) => points.x[at]),
      order.map((at) => points.y[at]),
      colors,
    );
    pictures.set(points, shown);
  }

  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function draw() {
    const context = canvas.getContext("2d");
    const density = window.devicePixelRatio || 1;
    const accent = getComputedStyle(canvas).getPropertyValue("--accent");
    const { width, height } = viewport;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    const crowd = Math.min(1, Math.sqrt(20_000 / points.ids.length));
    const radius = Math.min(5, Math.max(1, 2.6 * crowd * Math.sqrt(viewport.enlarged)));
    const by = viewport.scales();
    const [scaleX, scaleY] = by;
    const [shiftX, shiftY] = viewport.placed(0, 0);
    card.draw({ scaleX, scaleY: -scaleY, shiftX, shiftY }, 2 * radius, density);
    names.place({
      width,
      height,
      placed: (x, y) => viewport.placed(x, y, by),
      side: hasPictures ? viewport.side() : 0,
    });
    const plain = plainColor(Boolean(points?.values));
    for (const at of seen()) {
      pictures.draw(context, at, points.values ? `rgb(${colorOf(points, at, plain)})` : null);
    }
    if (near >= 0) {
      const [x, y] = toScreen(near);
      context.strokeStyle = accent;
      context.lineWidth = 2.5;
      context.beginPath();
      context.arc(x, y, radius + 5, 0, 7);
      context.stroke();
    }
    lasso.draw(context, accent);
  }

  const seen = () => (hasPictures ? pictures.seen() : []);

  /** Return the shown point nearest to a place of the map, if it is nearer than a limit, by these scales; -1 if none is. */
  function nearest([x, y], limit = Infinity, [across, down] = [1, 1]) {
    let best = -1;
    let least = limit;
    for (const at of shown) {
      const away = Math.hypot((points.x[at] - x) * across, (points.y[at] - y) * down);
      if (away < least) [best, least] = [at, away];
    }
    return best;
  }

  /** Return the work at a place of the screen: a picture that covers it, or the nearest point. */
  function find([x, y]) {
    const by = viewport.scales();
    const half = viewport.side() / 2 - 3;
    const covers = seen().find((at) => {
      const [atX, atY] = toScreen(at, by);
      return Math.max(Math.abs(atX - x), Math.abs(atY - y)) <= half;
    });
    return covers ?? nearest(viewport.toMap([x, y], by), REACH, by);
  }

  async function point(at) {
    if (at === near) return;
    near = at;
    soon();
    tip.hidden = at < 0;
    canvas.classList.toggle("over", at >= 0);
    if (at < 0) return;
    const id = points.ids[at];
    const text = make("span", {}, id);
    tip.href = options.href(id);
    tip.onclick = (event) => {
      event.preventDefault();
      options.go(id, event);
    };
    tip.replaceChildren(make("img", { src: picture(index, id), alt: "" }), text);
    place();
    try {
      const work = await findWork(index, id);
      if (near === at) text.textContent = described(work);
    } catch {
      // the id stays
    }
  }

  function place() {
    if (near < 0) return;
    const { width, height } = viewport;
    const [x, y] = toScreen(near);
    tip.style.left = `${Math.min(Math.max(x + 22, 8), Math.max(8, width - 190))}px`;
    tip.style.top = `${Math.min(Math.max(y - 60, 8), Math.max(8, height - 250))}px`;
  }

  /** Return what changes the view, and draws it. */
  const drawn = (change) => (...by) => {
    change(...by);
    place();
    soon();
  };
  const zoom = drawn(viewport.zoom);
  const move = drawn(viewport.move);
  const reset = drawn(viewport.reset);

  watchGestures(canvas, {
    zoom,
    move,
    began(at, { shiftKey }) {
      if (!isDrawing && !shiftKey) return;
      point(-1); // its card would lie over what is drawn
      lasso.begin(at);
    },
    dragged(at) {
      const draws = lasso.add(at);
      if (draws) soon();
      return draws;
    },
    hovered: (at) => point(find(at)),
    ended(place, event, traveled) {
      const corners = lasso.end();
      if (corners) {
        soon();
        // In units of the map.
        const area = corners.map((corner) => viewport.toMap(corner).map((part) => Number(part.toFixed(3))));
        if (area.length) options.lassoed(area);
        return;
      }
      if (traveled > STILL) return;
      const at = find(place);
      // A finger first sees what it touched; the tip leads on.
      if (event.pointerType === "touch") point(at);
      else if (at >= 0) options.go(points.ids[at], event);
    },
    canceled: lasso.drop,
  });
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch" && !tip.contains(event.relatedTarget)) point(-1);
  });
  canvas.addEventListener("keydown", (event) => {
    const by = MOVES[event.key];
    if (by) move(...by);
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") reset();
    else if (event.key === "Enter" && near >= 0) return options.go(points.ids[near], event);
    else return;
    event.preventDefault();
    point(nearest(viewport.middle));
    soon();
  });

  new ResizeObserver(() => {
    const density = window.devicePixelRatio || 1;
    [viewport.width, viewport.height] = [frame.clientWidth, frame.clientHeight];
    for (const each of [under, canvas]) {
      each.width = viewport.width * density;
      each.height = viewport.height * density;
    }
    pictures.spread();
    draw();
  }).observe(frame);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    load();
    soon();
  });
  load();

  return {
    element: frame,
    zoom,
    reset,
    name(groups) {
      names.set(groups);
      pictures.spread();
      soon();
    },
    draws(on) {
      isDrawing = on;
      canvas.classList.toggle("drawing", on);
    },
    show(on) {
      hasPictures = on;
      soon();
    },
    update(others) {
      points = others;
      load();
      pictures.spread();
      point(-1);
      soon();
    },
  };
}
