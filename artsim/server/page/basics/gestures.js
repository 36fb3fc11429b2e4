/** Fingers, mouse and wheel on a picture or the map: one finger moves it, two zoom it, and so does the wheel. */

const BY_WHEEL = { pixels: 0.0015, lines: 0.05 }; // how far one of them zooms

/**
 * Listen to what is done with a pointer.
 *
 * @param element Where.
 * @param actions zoom(by, x, y) and move(dx, dy). The others may be left out: takes(event) says whether a
 *   pointer that goes down counts; began(at, event) when the first does; dragged(at) says whether it uses the way itself; hovered(at)
 *   without any down; ended(at, event, traveled) when one goes up, if no other is down: traveled pixels;
 *   canceled(). Places are [x, y] in pixels of the element.
 */
export function watchGestures(element, actions) {
  const fingers = new Map(); // where each pointer is that is down
  let traveled = 0;
  const local = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  element.addEventListener("pointerdown", (event) => {
    if (actions.takes?.(event) === false) return;
    fingers.set(event.pointerId, local(event));
    element.setPointerCapture(event.pointerId);
    if (fingers.size > 1) return;
    traveled = 0;
    actions.began?.(local(event), event);
  });
  element.addEventListener("pointermove", (event) => {
    const [x, y] = local(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      actions.hovered?.([x, y]);
      return;
    }
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    traveled += Math.hypot(x - before[0], y - before[1]);
    if (!actions.dragged?.([x, y])) {
      if (other) {
        const apart = (from) => Math.max(1, Math.hypot(from[0] - other[0], from[1] - other[1]));
        actions.zoom(apart([x, y]) / apart(before), (x + other[0]) / 2, (y + other[1]) / 2);
      } else actions.move(x - before[0], y - before[1]);
    }
    fingers.set(event.pointerId, [x, y]);
  });
  element.addEventListener("pointerup", (event) => {
    fingers.delete(event.pointerId);
    actions.ended?.(local(event), event, fingers.size ? Infinity : traveled);
  });
  element.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    actions.canceled?.();
  });
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const by = event.deltaMode ? BY_WHEEL.lines : BY_WHEEL.pixels;
      actions.zoom(Math.exp(-event.deltaY * by), ...local(event));
    },
    { passive: false },
  );
}
