/** An area that is drawn around works on the map. */

const STRAIGHT = 12; // pixels of a line that may stand for a rectangle
const MOST = 60; // corners of an area

/** Make what is drawn with; its corners are places on the screen. */
export function makeLasso() {
  let corners = null;

  return {
    begin(at) {
      corners = [at];
    },
    /** Draw on to a place; return whether an area is being drawn. */
    add(at) {
      corners?.push(at);
      return corners !== null;
    },
    /** End the area: return its corners, few of them; none if it encloses nothing, null if there was none. */
    end() {
      const drawn = corners;
      corners = null;
      if (!drawn) return null;
      const step = Math.max(1, Math.ceil(drawn.length / MOST));
      const kept = isStraight(drawn) ? rectangle(drawn) : drawn.filter((_, at) => at % step === 0);
      return kept.length < 3 ? [] : kept;
    },
    drop() {
      corners = null;
    },
    /** Draw its outline. */
    draw(context, color) {
      if (!corners) return;
      context.strokeStyle = color;
      context.lineWidth = 2;
      context.setLineDash([5, 4]);
      context.beginPath();
      for (const corner of corners) context.lineTo(...corner);
      context.closePath();
      context.stroke();
      context.setLineDash([]);
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
