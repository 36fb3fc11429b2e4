/** The colors of the map: of classes, and of numbers from low to high. */

// Each far from all others, also without green vision, and from the paper and its grays by day and by night.
const COLORS = (
  "#4477aa #ee6677 #228833 #ccbb44 #66ccee #aa3377 #ee7733 #009988 " +
  "#cc3311 #d24bff #f0b4d2 #4b2dff #9687b4 #0fe1a5 #874b4b #ff69c3"
).split(" ");

// From low to high, which differ in lightness too: violet, blue green, yellow.
const SCALE = [
  [110, 64, 170],
  [70, 110, 180],
  [33, 145, 140],
  [94, 201, 98],
  [232, 195, 30],
];

export const GRADIENT = `linear-gradient(to right, ${SCALE.map((each) => `rgb(${each})`).join(", ")})`;

const bytes = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const CLASSES = COLORS.map(bytes);

/** Return the color of points that have none of their own: paler than colored ones next to them. */
export const plainColor = (isColored) =>
  bytes(getComputedStyle(document.documentElement).getPropertyValue(isColored ? "--missing" : "--unknown").trim());

/** Return the color of a class, by its place: classes in order are shades from low to high. */
export const classColor = ({ classes, ordered }, at) =>
  ordered ? shade((255 * at) / Math.max(1, classes.length - 1)) : CLASSES[at];

/** Return the color of a shade from 0 to 255. */
function shade(value) {
  const at = (value / 255) * (SCALE.length - 1);
  const [low, part] = [Math.min(Math.floor(at), SCALE.length - 2), at % 1];
  const by = at >= SCALE.length - 1 ? 1 : part;
  return SCALE[low].map((from, each) => Math.round(from + (SCALE[low + 1][each] - from) * by));
}

/**
 * Return red, green and blue of a point: of its class, its shade, or the plain color.
 *
 * @param points values, classes, ordered, low.
 */
export function colorOf(points, at, plain) {
  const value = points.values?.[at] ?? -1;
  if (value < 0) return plain;
  return points.low === null ? classColor(points, value) : shade(value);
}
