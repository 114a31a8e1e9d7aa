// Search by a picture that is pasted, dropped or chosen. A picture has no address: a reload leads to the page without it.
import { say, show } from "./navigate.js";

const LONGEST_SIDE = 640;

/** @param {Document} page */
export function startPicture(page) {
  const input = /** @type {HTMLInputElement} */ (page.querySelector("#picture"));
  input.closest("label").hidden = false;
  input.addEventListener("change", () => {
    ask(page, input.files[0]);
    input.value = "";
  });
  page.addEventListener("paste", (event) => {
    const picture = pictureOf(event.clipboardData);
    if (picture) {
      event.preventDefault();
      ask(page, picture);
    }
  });
  page.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) {
      event.preventDefault();
      page.body.classList.add("dropping");
    }
  });
  page.addEventListener("dragleave", () => page.body.classList.remove("dropping"));
  page.addEventListener("drop", (event) => {
    page.body.classList.remove("dropping");
    const picture = pictureOf(event.dataTransfer);
    // Where files are uploaded a picture is one of them.
    if (picture && !page.querySelector("#upload")) {
      event.preventDefault();
      ask(page, picture);
    }
  });
}

/** @param {DataTransfer} data @returns {File | undefined} */
function pictureOf(data) {
  return [...data.files].find((file) => file.type.startsWith("image/"));
}

/** @param {Document} page @param {File | undefined} file */
async function ask(page, file) {
  if (!file) {
    return;
  }
  const view = page.defaultView;
  const said = new URLSearchParams(view.location.search);
  said.delete("like");
  const query = said.toString();
  const url = query ? `/?${query}` : "/";
  view.history.pushState(null, "", `${url}#picture`);
  say(page, "Searching");
  await show(page, url, await smaller(page, file));
  const left = /** @type {HTMLElement | null} */ (page.querySelector("#content [data-box]"));
  if (left) {
    // Words that are not asked for must not stand there as if they were.
    /** @type {HTMLInputElement} */ (page.querySelector("#q")).value = left.dataset.box;
  }
  view.scrollTo(0, 0);
}

/** As much of it as a model sees. What the browser cannot read goes as it is, and the service says what it thinks of it.
 * @param {Document} page @param {File} file @returns {Promise<Blob>}
 */
async function smaller(page, file) {
  try {
    const bitmap = await page.defaultView.createImageBitmap(file);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = page.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const small = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    return small ?? file;
  } catch {
    return file;
  }
}
