// One row of the list of uploads: what it shows. It asks nothing of the service.
import { say } from "./navigate.js";

/** @typedef {"waiting" | "uploading" | "paused" | "checking" | "published" | "being understood" | "ready" | "ready in part" | "failed"} State */

const LOOKS = new Map([["ready", "strong"], ["paused", "weak"], ["failed", "weak"], ["ready in part", "weak"]]);
/** Of these a listener hears; the others change too often, or follow at once. */
const SAID = new Set(["paused", "published", "ready", "ready in part", "failed"]);

/** A row for a file of which the service knows nothing yet.
 * @param {Document} page @param {string} name @param {string} place
 */
export function newRow(page, name, place) {
  const template = /** @type {HTMLTemplateElement} */ (page.querySelector("#upload-row"));
  const row = /** @type {HTMLElement} */ (page.importNode(template.content, true).firstElementChild);
  row.querySelector("[data-name]").textContent = name;
  row.querySelector("[data-place]").textContent = place;
  return row;
}

/** Names what a screen reader hears out of its row. @param {HTMLElement} row */
export function nameParts(row) {
  const name = nameOf(row);
  row.querySelector("progress").setAttribute("aria-label", `${name} uploaded`);
  row.querySelector("[data-again] input").setAttribute("aria-label", `Choose the file ${name}`);
  row.querySelector("[data-retry]").setAttribute("aria-label", `Try again: ${name}`);
  row.querySelector("summary").setAttribute("aria-label", `Cancel ${name}`);
  row.querySelector("[data-cancel] button").setAttribute("aria-label", `Give up ${name}`);
}

/** @param {HTMLElement} row */
export function nameOf(row) {
  return row.querySelector("[data-name]").textContent;
}

/** @param {Document} page @param {HTMLElement} row @param {State} state @param {string} why
 * @param {boolean} quiet Whether a listener has heard it already.
 */
export function drawState(page, row, state, why = "", quiet = false) {
  const before = row.dataset.state;
  row.dataset.state = state;
  const word = row.querySelector("[data-word]");
  word.textContent = state;
  word.className = `strength ${LOOKS.get(state) ?? "fair"}`;
  row.querySelector("[data-why]").textContent = why;
  if (before !== state && SAID.has(state) && !quiet && row.isConnected) {
    say(page, `${nameOf(row)}: ${state}. ${why}`.trim());
  }
}

/** Which buttons it has now. @param {HTMLElement} row @param {{again?: boolean, retry?: boolean, cancel?: boolean, signIn?: boolean}} has */
export function drawActs(row, { again = false, retry = false, cancel = false, signIn = false }) {
  show(row.querySelector("[data-again]"), again);
  show(row.querySelector("[data-retry]"), retry);
  show(row.querySelector("[data-cancel]"), cancel);
  show(row.querySelector("[data-sign-in]"), signIn);
}

/** @param {HTMLElement} row @param {number} sent @param {number} size */
export function drawBytes(row, sent, size) {
  bar(row, sent, size, `${bytes(sent)} of ${bytes(size)}`);
}

/** @param {HTMLElement} row @param {number} done @param {number} of */
export function drawCells(row, done, of) {
  row.querySelector("progress").setAttribute("aria-label", `Cells of ${nameOf(row)} done`);
  bar(row, done, of || 1, `${done} of ${of} cells`);
}

/** @param {HTMLElement} row @param {string} asset Path of its status. */
export function drawLink(row, asset) {
  // The page of an asset has the path of its status, without the version of the API.
  row.querySelector("[data-name]").setAttribute("href", asset.replace(/^\/v1/, ""));
}

/** As the server writes them. @param {number} count */
export function bytes(count) {
  const units = ["Bytes", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, count < 1000 ? 0 : Math.floor(Math.log10(count) / 3));
  return power ? `${(count / 1000 ** power).toFixed(1)} ${units[power]}` : `${count} ${count === 1 ? "Byte" : units[0]}`;
}

/** @param {HTMLElement} row @param {number} value @param {number} max @param {string} said */
function bar(row, value, max, said) {
  const shape = row.querySelector("progress");
  shape.max = max;
  shape.value = value;
  row.querySelector("[data-count]").textContent = said;
}

/** @param {HTMLElement} part @param {boolean} shown */
function show(part, shown) {
  if (!shown && part.contains(part.ownerDocument.activeElement)) {
    // Or a keyboard begins at the top of the page again.
    const row = /** @type {HTMLElement} */ (part.closest("li"));
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
  }
  part.hidden = !shown;
}
