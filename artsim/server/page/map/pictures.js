/** Pictures on the map: those that overlap neither each other nor the names of groups. */

import { picture } from "../basics/api.js";

const APART = 1.09; // sides between pictures that are drawn
const KEPT = 900; // pictures in memory
const FRAME = 2.5; // pixels of color around a picture

/**
 * Make the pictures of a map.
 *
 * @param index Name.
 * @param viewport What is seen of the map.
 * @param names The names of groups on it.
 * @param loaded Called when a picture has come.
 * @returns set(points, shown): the works, and places in them of those that are shown; spread() when the map
 *   was changed otherwise; seen() gives the works whose pictures are in sight; draw(context, at, color) draws one.
 */
export function makeMapPictures(index, viewport, names, loaded) {
  const images = new Map(); // by id, in the order of their last use
  const chosen = new Map(); // works whose pictures do not overlap, by zoom level
  let points = null;
  let shown = [];

  const toScreen = (at, by) => viewport.placed(points.x[at], points.y[at], by);

  /** Return the place and half the size of a picture on the screen. */
  function extent(at, by) {
    const { naturalWidth: wide, naturalHeight: high } = images.get(points.ids[at]) ?? {};
    const half = viewport.side() / 2;
    const part = wide && high ? half / Math.max(wide, high) : 0; // not loaded yet: a square
    return [...toScreen(at, by), part ? wide * part : half, part ? high * part : half];
  }

  /** Return works whose pictures overlap neither each other nor names at about this zoom: the same while it moves. */
  function apart(by) {
    const [across, down] = by;
    const side = viewport.side();
    const level = Math.round(Math.log2(across / side) * 3);
    const key = `${level} ${names.areSeen()}`;
    if (chosen.has(key)) return chosen.get(key);
    const wide = APART / 2 ** (level / 3); // in units of the map
    const high = (wide * across) / down;
    const cells = new Map(); // the work whose picture is in a cell
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
      if (!isClear || names.covers([...toScreen(at, by), side / 2, side / 2])) continue;
      cells.set(cell(x, y), at);
      found.push(at);
    }
    chosen.set(key, found);
    return found;
  }

  function load(id) {
    let image = images.get(id);
    images.delete(id);
    if (!image) {
      image = new Image();
      image.onload = loaded;
      image.src = picture(index, id);
    }
    images.set(id, image);
    if (images.size > KEPT) images.delete(images.keys().next().value);
    return image;
  }

  return {
    set(others, some) {
      [points, shown] = [others, some];
    },
    spread: () => chosen.clear(),
    seen() {
      const by = viewport.scales();
      const { width, height } = viewport;
      const beyond = viewport.side();
      return apart(by).filter((at) => {
        const [x, y] = toScreen(at, by);
        const isNear = x > -beyond && y > -beyond && x < width + beyond && y < height + beyond;
        return isNear && !names.covers(extent(at, by));
      });
    },
    draw(context, at, color) {
      const image = load(points.ids[at]);
      if (!image.complete || !image.naturalWidth) return;
      const [x, y] = toScreen(at);
      const by = viewport.side() / Math.max(image.naturalWidth, image.naturalHeight);
      const [w, h] = [image.naturalWidth * by, image.naturalHeight * by];
      if (color) {
        context.fillStyle = color;
        context.fillRect(x - w / 2 - FRAME, y - h / 2 - FRAME, w + 2 * FRAME, h + 2 * FRAME);
      }
      context.drawImage(image, x - w / 2, y - h / 2, w, h);
    },
  };
}
