/** What stays in this browser: values by name, for as long as it keeps them. */

/** Return what was kept under a name; `otherwise` where there is nothing that can be read. */
export function kept(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`artsim ${name}`)) ?? otherwise;
  } catch {
    return otherwise; // another program's, or the browser keeps nothing
  }
}

/** Keep a value under a name. */
export function keep(name, value) {
  try {
    localStorage.setItem(`artsim ${name}`, JSON.stringify(value));
  } catch {
    // it lasts until the page is closed
  }
}

/** Call a function when another window of the same browser keeps a value under a name. */
export function whenKept(name, call) {
  addEventListener("storage", (event) => {
    if (event.key === `artsim ${name()}`) call();
  });
}
