/** Elements made without markup: every text goes in as text. */

/**
 * Make an element. Properties that start with "on" listen; "variables" are set on its style; those
 * with a hyphen, and role, are attributes; undefined ones are left out; the others are assigned.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "variables") {
      for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    } else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Make a button with a text. */
export const button = (text, onclick, title) => make("button", { type: "button", title, onclick }, text);

/** Commands to type, one a line, with a button that copies them. */
export function commands(...lines) {
  const words = lines.map((line) => line.split(/( )/).map((word) => make("span", {}, word)));
  const code = make("code", {}, words.flatMap((line, at) => (at ? ["\n", ...line] : line)));
  return make("span", { className: "command" }, code, copier(code));
}

/** Make a button that copies the text of an element. */
export function copier(element, title) {
  const copy = make("button", { type: "button", className: "plain", title, onclick: take }, "Copy");
  async function take() {
    try {
      await navigator.clipboard.writeText(element.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(element); // not without https: the visitor copies what is selected
    }
    setTimeout(() => (copy.textContent = "Copy"), 2500);
  }
  return copy;
}

/**
 * An element of the page, by its id.
 *
 * @returns {any} Of which kind it is, the page knows.
 */
export const byId = (id) => document.getElementById(id);

/**
 * What has the focus.
 *
 * @returns {HTMLInputElement | null} Or another element, without what only inputs have.
 */
export const inFocus = () => /** @type {HTMLInputElement | null} */ (document.activeElement);

/** What names the element in a panel that has the focus, so that it has it after a new drawing. */
export const keptFocus = (panel) => (panel.contains(document.activeElement) ? inFocus().dataset.keep : undefined);

/** Whether the visitor has no mouse, and likely no keys. */
export const isTouched = matchMedia("(hover: none)").matches;

/** Show an element, or hide it. */
export function show(element, shown) {
  element.hidden = !shown;
}

/** A number as people of the visitor's language write it. */
export const count = (number) => number.toLocaleString();

/** One or several: "1 work", "12 works". */
export const many = (number, noun, nouns = `${noun}s`) =>
  `${count(number)} ${number === 1 ? noun : nouns}`;

/** What a column is called, for people. */
export function columnName(name) {
  const own = name.replace(/_catalog$/, " in the catalog"); // its name was one of ours: width
  const words = own.replaceAll("_", " ").replace(/([a-z])([A-Z])/g, "$1 $2");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What a column is called within a sentence. */
export const inWords = (name) => columnName(name).toLowerCase();

/** The name of the column that something with a name for people is saved as; empty if none is left. */
export const columnOf = (name) => name.replace(/[^\p{L}\p{N}_.-]+/gu, "_").replace(/^[_.-]+/, "");

/** A line of the server as a sentence of the page. */
export function asSentence(line) {
  const text = line.replace(/(^|[\s(])'([^']*)'(?=$|[\s,;:.?)])/g, "$1“$2”");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`;
}

const DIGITS = 6; // after the point, as scores are written elsewhere

/** A value of a record as text: lists with commas, years as 1880–1885, nothing as nothing. */
export function asText(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(asText).filter(Boolean).join(", ");
  if (typeof value === "object") {
    return [...new Set(Object.values(value).filter((end) => end !== null))].join("–");
  }
  return String(typeof value === "number" ? Number(value.toFixed(DIGITS)) : value);
}

/** Who made a work, and when. */
export const byline = ({ artist, date }) => [artist, date].filter(Boolean).join(", ");

const titled = (work) => work.title || byline(work);

/** A short line for a work: its title, else its artist and date, else its id. */
export const shortName = (work) => titled(work) || work.id;

/** A headline for a work; an id, often the name of a file, is none. */
export const headline = (work) => titled(work) || "Untitled";

/** What a picture shows, for those who do not see it: title, artist, date. */
export const described = (work) =>
  [work.title, work.artist, work.date].filter(Boolean).join(", ") || `Work ${work.id}`;

/** The same with its id, where two works may have the same title. */
export const identified = (work) => {
  const text = described(work);
  return text === `Work ${work.id}` ? text : `${text} · ${work.id}`;
};

const ACROSS = ["left", "center", "right"];
const DOWN = ["top", "center", "bottom"];
const MIDDLE = [40, 60]; // per cent, between which a middle is called so

/** Return where in a picture a box is, given as x, y, width and height in per cent. */
export function whereabouts([x, y, width, height]) {
  const third = (at) => MIDDLE.filter((end) => at > end).length;
  const [across, down] = [ACROSS[third(x + width / 2)], DOWN[third(y + height / 2)]];
  return across === down ? "center" : `${down} ${across}`;
}

/**
 * Outline a box on a picture of that width by height, which is shown whole and in the middle of a
 * place of another width by height.
 */
export function outline([x, y, width, height], ratio, place = ratio) {
  const across = Math.min(1, ratio / place); // of the place, what the picture takes
  const down = Math.min(1, place / ratio);
  return make("span", {
    className: "found",
    "aria-hidden": "true",
    variables: {
      left: `${50 + (x - 50) * across}%`,
      top: `${50 + (y - 50) * down}%`,
      width: `${width * across}%`,
      height: `${height * down}%`,
    },
  });
}

/** Say what the colors of regions mean; pale ones are only there where a part was not compared. */
export const aboutRegions = ({ parts }) =>
  `The yellower a region, the more it contributes to the similarity${parts.every(({ whole }) => whole) ? "" : "; pale regions were not compared"}.`;

const waiting = new Set(); // timers of `later`

/** Return a function that calls another once, when it was not called again for so long. */
export function later(milliseconds, call) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    waiting.delete(timer);
    timer = setTimeout(() => {
      waiting.delete(timer);
      call(...values);
    }, milliseconds);
    waiting.add(timer);
  };
}

/** Drop what waits in `later`: the visitor has gone elsewhere. */
export function dropWaiting() {
  waiting.forEach(clearTimeout);
  waiting.clear();
}

const HIGHEST = 99.995; // a percentile that two decimals would call 100

/** A percentile with two decimals, as in the tables of the command line; the highest is not 100. */
export const percentile = (value) => (value >= HIGHEST ? ">99.99" : value.toFixed(2));
