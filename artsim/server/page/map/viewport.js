/** What is seen of the map: which place on the screen is which on the map. */

const SIDE = 46; // pixels of a picture, at first, at most; it grows with the zoom
const LARGEST = 150;
const FARTHEST = 400; // zoom
const NEAREST = 0.8;

/** Make the view of a map, all of which is seen at first. */
export function makeViewport(points) {
  const [left, right] = ends(points.x);
  const [bottom, top] = ends(points.y);
  const home = { x: (left + right) / 2, y: (bottom + top) / 2, zoom: 1 };
  const view = { ...home };
  const smallest = () => Math.min(SIDE, Math.max(30, viewport.width / 18));

  /** The map fills its frame: across and down it has scales of its own, in pixels. */
  const scales = () => [
    (view.zoom * (viewport.width - 2 * smallest())) / (right - left),
    (view.zoom * (viewport.height - 2 * smallest())) / (top - bottom),
  ];

  const toMap = ([x, y], [across, down] = scales()) => [
    view.x + (x - viewport.width / 2) / across,
    view.y - (y - viewport.height / 2) / down,
  ];

  const viewport = {
    width: 1, // pixels
    height: 1,
    scales,
    toMap,
    /** The middle of what is seen, on the map. */
    get middle() {
      return [view.x, view.y];
    },
    get enlarged() {
      return view.zoom;
    },
    /** Return the pixels of a picture's longer side. */
    side: () => Math.min(LARGEST, smallest() * Math.max(1, view.zoom) ** 0.45),
    /** Return where a place of the map is on the screen. */
    placed: (x, y, [across, down] = scales()) => [
      viewport.width / 2 + (x - view.x) * across,
      viewport.height / 2 - (y - view.y) * down,
    ],
    /** Zoom, so that a place on the screen stays where it is. */
    zoom(by, x = viewport.width / 2, y = viewport.height / 2) {
      const before = toMap([x, y]);
      view.zoom = Math.min(FARTHEST, Math.max(NEAREST, view.zoom * by));
      const after = toMap([x, y]);
      view.x += before[0] - after[0];
      view.y += before[1] - after[1];
    },
    move(dx, dy) {
      const [across, down] = scales();
      view.x = Math.min(right, Math.max(left, view.x - dx / across));
      view.y = Math.min(top, Math.max(bottom, view.y + dy / down));
    },
    /** See all of it. */
    reset: () => Object.assign(view, home),
  };
  return viewport;
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
