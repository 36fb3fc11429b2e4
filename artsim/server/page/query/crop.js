/** A box drawn on a picture, in per cent of it: by mouse, finger or keys. */

import { make } from "../basics/dom.js";

const LEAST = 3; // per cent; a smaller box was a click
const STEP = 2; // per cent a key moves it

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

const HELP =
  "Drag over the picture to search for a detail. With keys: Enter draws a box, the arrow keys " +
  "move it, Shift and the arrow keys resize it, Delete removes it.";

/**
 * Make a picture on which a box can be drawn.
 *
 * @param image The picture.
 * @param ratio Its width by its height, where it is known before it is loaded.
 * @param box x, y, width and height in per cent, or undefined.
 * @param changed Called with the new box, or undefined, when the visitor has drawn it.
 * @param clicked Called when the visitor clicks the picture where no box is drawn.
 */
export function makeCrop(image, ratio, box, changed, clicked = () => {}) {
  const frame = make("span", { className: "box", "aria-hidden": "true" });
  const stage = make(
    "div",
    {
      className: "stage",
      tabIndex: 0,
      role: "application",
      variables: { "--ratio": ratio ?? 1 },
      title: HELP,
      "aria-label": `${image.alt}. ${HELP}`,
    },
    image,
    frame,
  );
  let now = box;
  image.addEventListener("load", () => {
    stage.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  });

  function draw() {
    frame.hidden = !now;
    if (!now) return;
    const [x, y, width, height] = now;
    Object.assign(frame.style, {
      left: `${x}%`,
      top: `${y}%`,
      width: `${width}%`,
      height: `${height}%`,
    });
  }

  function done() {
    now = now?.map((value) => Math.round(value * 10) / 10);
    draw();
    if (String(now) !== String(box)) changed(now);
  }

  stage.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    const place = image.getBoundingClientRect();
    const at = (event) => [
      clamp(((event.clientX - place.left) / place.width) * 100, 0, 100),
      clamp(((event.clientY - place.top) / place.height) * 100, 0, 100),
    ];
    const [x, y] = at(down);
    const before = now;
    const drag = (event) => {
      const [toX, toY] = at(event);
      now = [Math.min(x, toX), Math.min(y, toY), Math.abs(toX - x), Math.abs(toY - y)];
      draw();
    };
    const end = (event) => {
      stage.removeEventListener("pointermove", drag);
      stage.removeEventListener("pointerup", end);
      stage.removeEventListener("pointercancel", end);
      if (event.type === "pointercancel") now = before;
      else if (!now || now === before || Math.min(now[2], now[3]) < LEAST) {
        now = undefined;
        if (!before) clicked();
      }
      done();
    };
    stage.setPointerCapture(down.pointerId);
    stage.addEventListener("pointermove", drag);
    stage.addEventListener("pointerup", end);
    stage.addEventListener("pointercancel", end);
    down.preventDefault();
    stage.focus();
  });

  let waiting;
  stage.addEventListener("keydown", (event) => {
    const moved = byKey(now, event);
    if (moved === null) return;
    event.preventDefault();
    now = moved;
    draw();
    clearTimeout(waiting);
    waiting = setTimeout(done, 500);
  });

  draw();
  return stage;
}

/** Return the box after a key, undefined if it removes it, null if it is none of ours. */
function byKey(box, event) {
  if (event.key === "Delete" || event.key === "Backspace") return undefined;
  if (event.key === "Enter") return box ?? [30, 30, 40, 40];
  const by = {
    ArrowLeft: [-STEP, 0],
    ArrowRight: [STEP, 0],
    ArrowUp: [0, -STEP],
    ArrowDown: [0, STEP],
  }[event.key];
  if (!by || !box) return null;
  const [x, y, width, height] = box;
  return event.shiftKey
    ? [x, y, clamp(width + by[0], LEAST, 100 - x), clamp(height + by[1], LEAST, 100 - y)]
    : [clamp(x + by[0], 0, 100 - width), clamp(y + by[1], 0, 100 - height), width, height];
}
