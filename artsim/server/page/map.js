/** The map of a collection: similar works close together, as points and as pictures. */

import { picture, work as findWork } from "./api.js";
import { colorOf, plainColor } from "./colors.js";
import { described, make } from "./dom.js";
import { makeNames } from "./names.js";
import { makePoints } from "./points.js";

const SIDE = 46; // pixels of a picture, at first, at most; it grows with the zoom
const LARGEST = 150;
const APART = 1.09; // sides between pictures that are drawn
const REACH = 16; // pixels from a point that still mean it
const KEPT = 900; // pictures in memory
const FARTHEST = 400; // zoom
const AWAY = 0.1; // how much is seen of a point that does not meet the conditions
const STRAIGHT = 12; // pixels of a line that may stand for a rectangle
const LASSO = 60; // corners of an area, at most

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
  const images = new Map(); // by id, in the order of their last use
  const spread = new Map(); // places of pictures that do not overlap, by zoom level
  const [left, right] = ends(points.x);
  const [bottom, top] = ends(points.y);
  /** The map fills its frame: across and down it has scales of its own, in pixels. */
  const scales = () => [
    (view.zoom * (width - 2 * smallest())) / (right - left),
    (view.zoom * (height - 2 * smallest())) / (top - bottom),
  ];
  const home = { x: (left + right) / 2, y: (bottom + top) / 2, zoom: 1 };
  const view = { ...home };
  let { pictures } = options;
  let width = 1;
  let height = 1;
  let near = -1; // the point under the pointer
  let waiting = false;
  let isDrawing = false; // an area, by dragging
  let corners = null; // of the area that is being drawn, on the screen
  let shown = [];

  const smallest = () => Math.min(SIDE, Math.max(30, width / 18));
  const side = () => Math.min(LARGEST, smallest() * Math.max(1, view.zoom) ** 0.45);
  const placed = (x, y, [across, down] = scales()) => [
    width / 2 + (x - view.x) * across,
    height / 2 - (y - view.y) * down,
  ];
  const toScreen = (at, by) => placed(points.x[at], points.y[at], by);
  const toMap = ([x, y], [across, down] = scales()) => [
    view.x + (x - width / 2) / across,
    view.y - (y - height / 2) / down,
  ];

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
    const style = getComputedStyle(canvas);
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    const crowd = Math.min(1, Math.sqrt(20_000 / points.ids.length));
    const radius = Math.min(5, Math.max(1, 2.6 * crowd * Math.sqrt(view.zoom)));
    const [scaleX, scaleY] = scales();
    const [shiftX, shiftY] = placed(0, 0);
    card.draw({ scaleX, scaleY: -scaleY, shiftX, shiftY }, 2 * radius, density);
    const by = scales();
    names.place({
      width,
      height,
      placed: (x, y) => placed(x, y, by),
      side: pictures ? side() : 0,
    });
    const plain = plainColor(Boolean(points?.values));
    for (const at of seen()) {
      const color = points.values ? `rgb(${colorOf(points, at, plain)})` : null;
      drawPicture(context, at, color);
    }
    if (near >= 0) {
      const [x, y] = toScreen(near);
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = 2.5;
      context.beginPath();
      context.arc(x, y, radius + 5, 0, 7);
      context.stroke();
    }
    if (corners) {
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = 2;
      context.setLineDash([5, 4]);
      context.beginPath();
      for (const corner of corners) context.lineTo(...corner);
      context.closePath();
      context.stroke();
      context.setLineDash([]);
    }
  }

  /** Return the place and half the size of a picture on the screen. */
  function extent(at, by) {
    const { naturalWidth: wide, naturalHeight: high } = images.get(points.ids[at]) ?? {};
    const half = side() / 2;
    const part = wide && high ? half / Math.max(wide, high) : 0; // not loaded yet: a square
    return [...toScreen(at, by), part ? wide * part : half, part ? high * part : half];
  }

  /** Return points whose pictures are seen: beside the names of groups. */
  function seen() {
    const by = scales();
    return pictures ? apart().filter((at) => !names.covers(extent(at, by))) : [];
  }

  /** Return points whose pictures overlap neither each other nor names at about this zoom: the same while it moves. */
  function apart() {
    const by = scales();
    const [across, down] = by;
    const level = Math.round(Math.log2(across / side()) * 3);
    const key = `${level} ${names.areSeen()}`;
    if (!spread.has(key)) {
      const wide = APART / 2 ** (level / 3); // in units of the map
      const high = (wide * across) / down;
      const cells = new Map(); // the point whose picture is in a cell
      const half = side() / 2;
      const cell = (x, y) => x * 65_536 + y;
      const found = [];
      for (const at of shown) {
        const [x, y] = [Math.floor(points.x[at] / wide), Math.floor(points.y[at] / high)];
        if (cells.has(cell(x, y))) continue; // as it is for most where they are crowded
        let isClear = true;
        for (let dx = -1; dx <= 1 && isClear; dx++) {
          for (let dy = -1; dy <= 1 && isClear; dy++) {
            const other = cells.get(cell(x + dx, y + dy));
            isClear =
              other === undefined ||
              Math.abs(points.x[other] - points.x[at]) >= wide ||
              Math.abs(points.y[other] - points.y[at]) >= high;
          }
        }
        if (!isClear || names.covers([...toScreen(at, by), half, half])) continue;
        cells.set(cell(x, y), at);
        found.push(at);
      }
      spread.set(key, found);
    }
    const beyond = side();
    return spread.get(key).filter((at) => {
      const [x, y] = toScreen(at, by);
      return x > -beyond && y > -beyond && x < width + beyond && y < height + beyond;
    });
  }

  function drawPicture(context, at, color) {
    const image = loadPicture(points.ids[at]);
    if (!image.complete || !image.naturalWidth) return;
    const [x, y] = toScreen(at);
    const by = side() / Math.max(image.naturalWidth, image.naturalHeight);
    const [w, h] = [image.naturalWidth * by, image.naturalHeight * by];
    if (color) {
      context.fillStyle = color;
      context.fillRect(x - w / 2 - 2.5, y - h / 2 - 2.5, w + 5, h + 5);
    }
    context.drawImage(image, x - w / 2, y - h / 2, w, h);
  }

  function loadPicture(id) {
    let image = images.get(id);
    images.delete(id);
    if (!image) {
      image = new Image();
      image.onload = soon;
      image.src = picture(index, id);
    }
    images.set(id, image);
    if (images.size > KEPT) images.delete(images.keys().next().value);
    return image;
  }

  /** Return the work at a place: a picture that covers it, or the nearest point. */
  function find(x, y) {
    let best = -1;
    let least = REACH;
    const by = scales();
    for (const at of seen()) {
      const [px, py] = toScreen(at, by);
      if (Math.max(Math.abs(px - x), Math.abs(py - y)) <= side() / 2 - 3) return at;
    }
    for (const at of shown) {
      const [px, py] = toScreen(at, by);
      const away = Math.hypot(px - x, py - y);
      if (away < least) [best, least] = [at, away];
    }
    return best;
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
    const [x, y] = toScreen(near);
    tip.style.left = `${Math.min(Math.max(x + 22, 8), Math.max(8, width - 190))}px`;
    tip.style.top = `${Math.min(Math.max(y - 60, 8), Math.max(8, height - 250))}px`;
  }

  function zoom(by, x = width / 2, y = height / 2) {
    const before = toMap([x, y]);
    view.zoom = Math.min(FARTHEST, Math.max(0.8, view.zoom * by));
    const after = toMap([x, y]);
    view.x += before[0] - after[0];
    view.y += before[1] - after[1];
    place();
    soon();
  }

  function move(dx, dy) {
    const [across, down] = scales();
    view.x = Math.min(right, Math.max(left, view.x - dx / across));
    view.y = Math.min(top, Math.max(bottom, view.y + dy / down));
    place();
    soon();
  }

  function reset() {
    Object.assign(view, home);
    place();
    soon();
  }

  /** End an area that was drawn: it is handed on in units of the map, with few corners. */
  function enclose() {
    const drawn = corners;
    corners = null;
    soon();
    const step = Math.max(1, Math.ceil(drawn.length / LASSO));
    const kept = isStraight(drawn) ? rectangle(drawn) : drawn.filter((_, at) => at % step === 0);
    if (kept.length < 3) return;
    options.lassoed(kept.map((at) => toMap(at).map((part) => Number(part.toFixed(3)))));
  }

  const pointers = new Map(); // where each finger is
  let traveled = 0;
  const local = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, local(event));
    canvas.setPointerCapture(event.pointerId);
    if (pointers.size === 1) traveled = 0;
    if ((isDrawing || event.shiftKey) && pointers.size === 1) corners = [local(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = local(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      point(find(x, y));
      return;
    }
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    traveled += Math.hypot(x - before[0], y - before[1]);
    if (corners) {
      corners.push([x, y]);
      soon();
    } else if (others.length) {
      const apartNow = Math.hypot(x - others[0][0], y - others[0][1]);
      const apartBefore = Math.hypot(before[0] - others[0][0], before[1] - others[0][1]);
      zoom(apartNow / Math.max(1, apartBefore), (x + others[0][0]) / 2, (y + others[0][1]) / 2);
    } else move(x - before[0], y - before[1]);
    pointers.set(event.pointerId, [x, y]);
  });
  canvas.addEventListener("pointerup", (event) => {
    pointers.delete(event.pointerId);
    if (corners) return enclose();
    if (traveled > 5 || pointers.size) return;
    const at = find(...local(event));
    // A finger first sees what it touched; the tip leads on.
    if (event.pointerType === "touch") point(at);
    else if (at >= 0) options.go(points.ids[at], event);
  });
  canvas.addEventListener("pointercancel", (event) => {
    pointers.delete(event.pointerId);
    corners = null;
  });
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch" && !tip.contains(event.relatedTarget)) point(-1);
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...local(event));
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[
      event.key
    ];
    if (by) move(...by);
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") reset();
    else if (event.key === "Enter" && near >= 0) return options.go(points.ids[near], event);
    else return;
    event.preventDefault();
    point(middle());
    soon();
  });

  /** Return the point nearest to the middle, of those that meet the conditions. */
  function middle() {
    let best = -1;
    let least = Infinity;
    for (const at of shown) {
      const away = Math.hypot(points.x[at] - view.x, points.y[at] - view.y);
      if (away < least) [best, least] = [at, away];
    }
    return best;
  }

  new ResizeObserver(() => {
    const density = window.devicePixelRatio || 1;
    [width, height] = [frame.clientWidth, frame.clientHeight];
    for (const each of [under, canvas]) {
      each.width = width * density;
      each.height = height * density;
    }
    spread.clear();
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
      spread.clear();
      soon();
    },
    draws(on) {
      isDrawing = on;
      canvas.classList.toggle("drawing", on);
    },
    show(on) {
      pictures = on;
      soon();
    },
    update(others) {
      points = others;
      load();
      spread.clear();
      point(-1);
      soon();
    },
  };
}

/** Return whether a line on the screen encloses nothing worth it, as from corner to corner. */
function isStraight(line) {
  const [[x, y], [toX, toY]] = [line[0], line.at(-1)];
  const long = Math.hypot(toX - x, toY - y);
  const away = ([atX, atY]) => Math.abs((toX - x) * (atY - y) - (toY - y) * (atX - x)) / long;
  return long > STRAIGHT && line.every((at) => away(at) < long / 8);
}

/** Return the corners of the rectangle between the ends of a line. */
function rectangle(line) {
  const [[x, y], [toX, toY]] = [line[0], line.at(-1)];
  return [[x, y], [toX, y], [toX, toY], [x, toY]];
}

/** The least and the greatest of numbers, a little apart even where they are all the same. */
function ends(numbers) {
  let [least, greatest] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number < least) least = number;
    if (number > greatest) greatest = number;
  }
  return [least, Math.max(greatest, least + 1e-3)];
}
