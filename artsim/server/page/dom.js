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

export const byId = (id) => document.getElementById(id);

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
  const words = name.replaceAll("_", " ").replace(/([a-z])([A-Z])/g, "$1 $2");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A value of a record as text: lists with commas, years as 1880–1885, nothing as nothing. */
export function asText(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(asText).filter(Boolean).join(", ");
  if (typeof value === "object") {
    return [...new Set(Object.values(value).filter((end) => end !== null))].join("–");
  }
  return String(value);
}

/** What a picture shows, for those who do not see it: title, artist, date. */
export const described = (work) =>
  [work.title, work.artist, work.date].filter(Boolean).join(", ") || `Work ${work.id}`;

/** Return a function that calls another once, when it was not called again for so long. */
export function later(milliseconds, call) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}
