/** The visitor's own pictures: dropped, pasted or chosen, uploaded, then used as queries. */

import * as api from "../basics/api.js";
import { byId, make, show } from "../basics/dom.js";
import { fail, say } from "../basics/notices.js";

const SIDE = 900; // pixels of the copy that is shown
const KEY = "artsim upload "; // where the copies outlive a reload
const DAMAGED = /get (the file|it) again\.$/; // what the library advises; its reason is for who keeps the files

const unreadable = (file, why) =>
  new Error(`“${file.name || "Your picture"}” ${why}; choose a JPEG, PNG, TIFF or WebP file.`);

/**
 * Listen for pictures.
 *
 * @param actions ready() waits for the page; index() gives its name; isAllowed() says whether it
 *   takes pictures; ask(terms, isAdded) searches with them.
 */
export function makeUploads(actions) {
  const copies = new Map(); // addresses of copies, by upload
  const input = byId("file");
  let isAdded = false; // to the query, instead of replacing it

  async function take(files, added) {
    const pictures = [...files];
    if (!pictures.length) return;
    await actions.ready(); // it may have been quicker than the page
    if (!actions.isAllowed()) {
      fail(
        new Error("This index cannot be searched with a picture: its vectors were computed elsewhere."),
      );
      return;
    }
    document.body.classList.add("busy");
    say("Sending the picture");
    try {
      const terms = await Promise.all(pictures.map(send));
      actions.ask(terms, added);
    } catch (error) {
      document.body.classList.remove("busy");
      fail(error);
    }
  }

  async function send(file) {
    if (file.type && !file.type.startsWith("image/")) throw unreadable(file, "is not a picture");
    const { upload } = await api.upload(actions.index(), file).catch((error) => {
      throw DAMAGED.test(error.message) ? unreadable(file, "is damaged or is not a picture") : error;
    });
    await remember(upload, file);
    return { upload, name: (file.name || "Your picture").slice(0, 200) };
  }

  /** Keep a small copy to show; what this browser cannot draw is a query all the same. */
  async function remember(upload, file) {
    try {
      const bitmap = await createImageBitmap(file);
      const by = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
      const canvas = make("canvas", {
        width: Math.round(bitmap.width * by) || 1,
        height: Math.round(bitmap.height * by) || 1,
      });
      canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      const copy = canvas.toDataURL("image/jpeg", 0.85);
      copies.set(upload, copy);
      sessionStorage.setItem(KEY + upload, copy);
    } catch {
      // no copy, or no room for it
    }
  }

  input.addEventListener("change", () => {
    take(input.files, isAdded);
    input.value = "";
  });
  byId("choose").addEventListener("click", () => choose(false));
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files, false);
  });

  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(byId("drop"), true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) show(byId("drop"), false);
  });
  document.addEventListener("drop", (event) => {
    show(byId("drop"), false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files, false);
  });

  function choose(added) {
    isAdded = added;
    input.click();
  }

  return {
    choose,
    preview(upload) {
      return copies.get(upload) ?? sessionStorage.getItem(KEY + upload) ?? undefined;
    },
  };
}
