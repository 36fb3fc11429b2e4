/** A picture that can be zoomed and moved; several may share what they show of their pictures. */

import { part, picture, work as findWork } from "../basics/api.js";
import { make, outline } from "../basics/dom.js";
import { watchGestures } from "../basics/gestures.js";

const COPY = 1024; // pixels of the longer side of what is shown first
const DEEPEST = 4; // pixels of the screen for one of the picture
const PATIENCE = 180; // milliseconds at rest after which the visible part is loaded sharply
const LARGEST = 4096; // pixels of a side that the server sends

/** What is shown of a picture: its middle, in parts of the picture, and how much it is enlarged. */
export const wholeView = () => ({ x: 0.5, y: 0.5, zoom: 1 });

/**
 * Make a pane with a picture.
 *
 * @param shown name for people; width and height in pixels, where they are known; index and id of a
 *   work, or src of any other picture; box: a detail to outline, in per cent.
 * @param view What is shown, shared with other panes.
 * @param changed Called when the visitor changed the view; it draws every pane.
 */
export function makePane(shown, view, changed) {
  const isWork = shown.id !== undefined;
  const image = make("img", {
    className: "whole",
    src: isWork ? picture(shown.index, shown.id, COPY) : shown.src,
    alt: shown.name,
    draggable: false,
    onload: () => {
      if (isWork) return;
      [size.width, size.height] = [image.naturalWidth, image.naturalHeight];
      draw();
    },
    onerror: () =>
      pane.replaceChildren(
        make("p", { className: "gone" }, `${shown.name}: the picture is not available.`),
      ),
  });
  const sharp = make("img", { className: "sharp", alt: "", hidden: true, draggable: false });
  sharp.onload = () => (sharp.hidden = false);
  const heat = make("img", { className: "heat", alt: "", hidden: true, draggable: false });
  const sheet = make("div", { className: "sheet" }, image, sharp, heat);
  // The small copy that the visitor came from is there at once.
  if (isWork) sheet.style.backgroundImage = `url("${picture(shown.index, shown.id)}")`;
  if (shown.box) sheet.append(outline(shown.box, 1));
  const pane = make(
    "div",
    {
      className: "pane",
      tabIndex: 0,
      role: "group",
      "aria-label": `${shown.name}. Plus and minus zoom, 0 fits, Shift and the arrow keys move.`,
    },
    sheet,
  );
  const size = { width: shown.width || COPY, height: shown.height || COPY };
  let waiting;
  if (isWork && !shown.width) {
    findWork(shown.index, shown.id).then(
      ({ width, height }) => {
        Object.assign(size, { width, height });
        draw();
      },
      () => {}, // the picture is not shown either
    );
  }

  /** How many pixels of the screen show one of the picture when it fits. */
  const fit = () => Math.min(pane.clientWidth / size.width, pane.clientHeight / size.height) || 1;
  const most = () => Math.max(DEEPEST / fit(), 4);

  function draw() {
    const by = fit() * view.zoom;
    const [width, height] = [size.width * by, size.height * by];
    Object.assign(sheet.style, {
      width: `${width}px`,
      height: `${height}px`,
      transform:
        `translate(${pane.clientWidth / 2 - view.x * width}px, ` +
        `${pane.clientHeight / 2 - view.y * height}px)`,
    });
    clearTimeout(waiting);
    if (isWork) waiting = setTimeout(sharpen, PATIENCE);
  }

  /** Load the part in sight as sharp as the screen, where the copy is not. */
  function sharpen() {
    const by = fit() * view.zoom;
    const density = window.devicePixelRatio || 1;
    const longer = Math.max(size.width, size.height);
    if (longer <= COPY || by * density * longer <= COPY) {
      sharp.hidden = true;
      return;
    }
    const [wide, high] = [pane.clientWidth / by, pane.clientHeight / by]; // in its pixels
    const left = Math.max(0, Math.floor(view.x * size.width - wide / 2));
    const top = Math.max(0, Math.floor(view.y * size.height - high / 2));
    const width = Math.min(size.width - left, Math.ceil(wide) + 1);
    const height = Math.min(size.height - top, Math.ceil(high) + 1);
    if (width < 1 || height < 1) return;
    const across = Math.max(1, Math.min(width, LARGEST, Math.round(width * by * density)));
    const src = part(shown.index, shown.id, [left, top, width, height], across);
    if (sharp.getAttribute("src") === src) return;
    sharp.hidden = true;
    Object.assign(sharp.style, {
      left: `${(left / size.width) * 100}%`,
      top: `${(top / size.height) * 100}%`,
      width: `${(width / size.width) * 100}%`,
      height: `${(height / size.height) * 100}%`,
    });
    sharp.src = src;
  }

  /** Zoom, so that a place of the pane stays where it is. */
  function zoom(by, x = pane.clientWidth / 2, y = pane.clientHeight / 2) {
    const before = fit() * view.zoom;
    view.zoom = Math.min(most(), Math.max(1, view.zoom * by));
    const after = fit() * view.zoom;
    view.x += ((x - pane.clientWidth / 2) * (1 / before - 1 / after)) / size.width;
    view.y += ((y - pane.clientHeight / 2) * (1 / before - 1 / after)) / size.height;
    settle();
  }

  function move(dx, dy) {
    const by = fit() * view.zoom;
    view.x -= dx / (by * size.width);
    view.y -= dy / (by * size.height);
    settle();
  }

  /** Keep the picture in sight: a side that fits is in the middle. */
  function settle() {
    const by = fit() * view.zoom;
    const half = [pane.clientWidth / (by * size.width), pane.clientHeight / (by * size.height)].map(
      (part) => Math.min(part / 2, 0.5),
    );
    view.x = Math.min(1 - half[0], Math.max(half[0], view.x));
    view.y = Math.min(1 - half[1], Math.max(half[1], view.y));
    changed();
  }

  watchGestures(pane, { zoom, move, takes: ({ button }) => button === 0 });
  pane.addEventListener("dblclick", (event) => {
    const { left, top } = pane.getBoundingClientRect();
    zoom(view.zoom > 1.01 ? 1 / view.zoom : 2.5, event.clientX - left, event.clientY - top);
  });
  const watch = new ResizeObserver(draw);
  watch.observe(pane);

  return {
    element: pane,
    draw,
    zoom,
    move,
    /** Lay a picture over this one, or none. */
    cover(src) {
      heat.hidden = !src;
      if (src) heat.src = src;
    },
    end() {
      watch.disconnect();
      clearTimeout(waiting);
    },
  };
}
