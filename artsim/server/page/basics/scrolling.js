/** More works as the visitor comes near the end of those shown. */

const AHEAD = "1200px"; // how far before the end

/**
 * Call a function whenever an element comes near the window.
 *
 * @param element What follows the last work.
 * @param more Shows more works; returns whether there may be still more.
 * @returns A function that looks again, for when others were drawn.
 */
export function whenNear(element, more) {
  let isNear = false;
  let isBusy = false;
  async function fill() {
    if (isBusy) return;
    isBusy = true;
    while (isNear && (await more())) {
      // The browser reports first whether it is still near.
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
    }
    isBusy = false;
  }
  new IntersectionObserver(
    (entries) => {
      isNear = entries.at(-1).isIntersecting; // a busy browser reports several changes at once, the last one last
      fill();
    },
    { rootMargin: AHEAD },
  ).observe(element);
  return fill;
}
