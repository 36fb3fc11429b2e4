/** The map of a collection: similar works close together, as points and as pictures. */

import { picture, work as findWork } from "./api.js";
import { described, make } from "./dom.js";

const SIDE = 46; // pixels of a picture, at first, at most; it grows with the zoom
const LARGEST = 150;
const APART = 1.09; // sides between pictures that are drawn
const REACH = 16; // pixels from a point that still mean it
const CROWD = 5000; // points; more are squares, which are drawn sooner
const KEPT = 900; // pictures in memory
const FARTHEST = 200; // zoom
const AWAY = 0.1; // how much is seen of a point that does not meet the conditions
export const COLORS = [
  "#4477aa",
  "#ee6677",
  "#228833",
  "#ccbb44",
  "#66ccee",
  "#aa3377",
  "#ee7733",
  "#009988",
  "#cc3311",
  "#0077bb",
];

/**
 * Draw a map on a canvas that can be moved, zoomed and clicked.
 *
 * @param points ids, x, y, met (1 of what meets the conditions, or null if there are none), values
 *   (places in classes, or null) and classes, as the server sends.
 * @param index Name.
 * @param options go(id, event) searches with a work; pictures: whether to draw them.
 * @returns The element; zoom(by); show(pictures) to draw them or not; update(points) for others.
 */
export function makeMap(points, index, options) {
  const canvas = make("canvas", {
    tabIndex: 0,
    role: "application",
    "aria-label":
      "Map of the collection. Arrow keys move it, plus and minus zoom, " +
      "Enter finds works similar to the one in the middle.",
  });
  const tip = make("a", { className: "tip", hidden: true });
  const frame = make("div", { className: "map-frame" }, canvas, tip);
  const images = new Map(); // by id, in the order of their last use
  const spread = new Map(); // places of pictures that do not overlap, by zoom level
  const [left, right] = ends(points.x);
  const [bottom, top] = ends(points.y);
  const scale = () =>
    view.zoom *
    Math.min((width - 2 * smallest()) / (right - left), (height - 2 * smallest()) / (top - bottom));
  const home = { x: (left + right) / 2, y: (bottom + top) / 2, zoom: 1 };
  const view = { ...home };
  let { pictures } = options;
  let width = 1;
  let height = 1;
  let near = -1; // the point under the pointer
  let waiting = false;
  let [away, shown] = parted();

  const smallest = () => Math.min(SIDE, Math.max(30, width / 18));
  const side = () => Math.min(LARGEST, smallest() * Math.max(1, view.zoom) ** 0.45);
  const toScreen = (at, by = scale()) => [
    width / 2 + (points.x[at] - view.x) * by,
    height / 2 - (points.y[at] - view.y) * by,
  ];

  function isMet(at) {
    return points.met === null || points.met[at] === 1;
  }

  /** Return the points that do not meet the conditions, and those that do. */
  function parted() {
    const all = points.ids.map((_, at) => at);
    return [all.filter((at) => !isMet(at)), all.filter(isMet)];
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
    const radius = Math.min(5, 2.6 * Math.sqrt(view.zoom));
    const by = scale();
    const isCrowded = points.ids.length > CROWD;
    const color = (at) => (points.values ? COLORS[points.values[at]] : undefined) ?? style.color;
    for (const at of [...away, ...shown]) {
      const [x, y] = toScreen(at, by);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      context.fillStyle = color(at);
      const isQuiet = points.values && points.values[at] < 0;
      context.globalAlpha = !isMet(at) ? AWAY : isQuiet ? 0.25 : 0.75;
      if (isCrowded) context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
      else {
        context.beginPath();
        context.arc(x, y, radius, 0, 7);
        context.fill();
      }
    }
    context.globalAlpha = 1;
    if (pictures)
      for (const at of apart()) drawPicture(context, at, points.values ? color(at) : null);
    if (near >= 0) {
      const [x, y] = toScreen(near);
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = 2.5;
      context.beginPath();
      context.arc(x, y, radius + 5, 0, 7);
      context.stroke();
    }
  }

  /** Return points whose pictures do not overlap at about this zoom: the same while it moves. */
  function apart() {
    const level = Math.round(Math.log2(scale() / side()) * 3);
    if (!spread.has(level)) {
      const least = APART / 2 ** (level / 3); // in units of the map
      const cells = new Map();
      const cell = (at, dx, dy) =>
        `${Math.floor(points.x[at] / least) + dx},${Math.floor(points.y[at] / least) + dy}`;
      const found = [];
      for (const at of shown) {
        const clear = [-1, 0, 1].every((dx) =>
          [-1, 0, 1].every((dy) => {
            const other = cells.get(cell(at, dx, dy));
            return (
              other === undefined ||
              Math.max(
                Math.abs(points.x[other] - points.x[at]),
                Math.abs(points.y[other] - points.y[at]),
              ) >= least
            );
          }),
        );
        if (!clear) continue;
        cells.set(cell(at, 0, 0), at);
        found.push(at);
      }
      spread.set(level, found);
    }
    return spread.get(level).filter((at) => {
      const [x, y] = toScreen(at);
      const beyond = side();
      return x > -beyond && y > -beyond && x < width + beyond && y < height + beyond;
    });
  }

  function drawPicture(context, at, color) {
    const image = load(points.ids[at]);
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

  function load(id) {
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
    const by = scale();
    if (pictures) {
      for (const at of apart()) {
        const [px, py] = toScreen(at);
        if (Math.max(Math.abs(px - x), Math.abs(py - y)) <= side() / 2 - 3) return at;
      }
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
    const to = Math.min(FARTHEST, Math.max(0.8, view.zoom * by));
    const before = scale();
    view.zoom = to;
    const after = scale();
    view.x += (x - width / 2) * (1 / before - 1 / after);
    view.y -= (y - height / 2) * (1 / before - 1 / after);
    place();
    soon();
  }

  function move(dx, dy) {
    view.x = Math.min(1.2, Math.max(-1.2, view.x - dx / scale()));
    view.y = Math.min(1.2, Math.max(-1.2, view.y + dy / scale()));
    place();
    soon();
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
    if (others.length) {
      const apartNow = Math.hypot(x - others[0][0], y - others[0][1]);
      const apartBefore = Math.hypot(before[0] - others[0][0], before[1] - others[0][1]);
      zoom(apartNow / Math.max(1, apartBefore), (x + others[0][0]) / 2, (y + others[0][1]) / 2);
    } else move(x - before[0], y - before[1]);
    pointers.set(event.pointerId, [x, y]);
  });
  canvas.addEventListener("pointerup", (event) => {
    pointers.delete(event.pointerId);
    if (traveled > 5 || pointers.size) return;
    const at = find(...local(event));
    // A finger first sees what it touched; the tip leads on.
    if (event.pointerType === "touch") point(at);
    else if (at >= 0) options.go(points.ids[at], event);
  });
  canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
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
    else if (event.key === "0") Object.assign(view, home);
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
    canvas.width = width * density;
    canvas.height = height * density;
    draw();
  }).observe(frame);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", soon);

  return {
    element: frame,
    zoom,
    show(shown) {
      pictures = shown;
      soon();
    },
    update(others) {
      points = others;
      [away, shown] = parted();
      spread.clear();
      point(-1);
      soon();
    },
  };
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
