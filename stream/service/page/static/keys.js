// Single keys. They can be switched off, as speech input types letters (WCAG 2.1.4).

const SETTING = "rushes.keys";

/** @param {Document} page @param {Storage} storage */
export function startKeys(page, storage) {
  const help = /** @type {HTMLDialogElement} */ (page.querySelector("#help"));
  const opener = /** @type {HTMLButtonElement} */ (page.querySelector("#keys"));
  const on = /** @type {HTMLInputElement} */ (page.querySelector("#keys-on"));
  on.checked = storage.getItem(SETTING) !== "off";
  on.addEventListener("change", () => storage.setItem(SETTING, on.checked ? "on" : "off"));
  opener.hidden = false;
  opener.addEventListener("click", () => help.showModal());
  page.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || writes(page.activeElement)) {
      return;
    }
    const act = on.checked || event.key.startsWith("Arrow") ? actOf(page, event.key, help) : null;
    if (act) {
      event.preventDefault();
      act();
    }
  });
}

/** What a key does here, or null.
 * @param {Document} page @param {string} key @param {HTMLDialogElement} help
 * @returns {(() => void) | null}
 */
function actOf(page, key, help) {
  const hits = [...page.querySelectorAll(".hit")];
  const at = hits.indexOf(page.activeElement?.closest(".hit"));
  const step = stepOf(key, hits, at);
  if (step !== null) {
    const to = hits[Math.max(0, Math.min(hits.length - 1, at + step))];
    return to ? () => stepTo(page, to) : null;
  }
  switch (key) {
    case "/":
      return () => /** @type {HTMLInputElement} */ (page.querySelector("#q")).select();
    case "?":
      return () => help.showModal();
    case "m":
      return at < 0 ? null : () => /** @type {HTMLElement} */ (hits[at].querySelector(".like")).click();
    case "x":
      return at < 0 ? null : click(hits[at].querySelector(".pick input"));
    case "n":
      return click(page.querySelector("#next-hit"));
    case "p":
      return click(page.querySelector("#previous-hit"));
    case "v":
      return click(page.querySelector("#view-grid[href]:not([aria-current]), #view-table:not([aria-current])"));
    default:
      return null;
  }
}

/** Go to a hit. What lies beyond it is drawn at once, for the next key.
 * @param {Document} page @param {Element} hit
 */
function stepTo(page, hit) {
  /** @type {HTMLElement} */ (hit.querySelector(".open")).focus();
  page.dispatchEvent(new CustomEvent("stepped"));
}

/** How many hits a key moves, or null where it moves none. Arrows move from a hit only, else they scroll.
 * @param {string} key @param {Element[]} hits @param {number} at
 */
function stepOf(key, hits, at) {
  if (key === "j" || (key === "ArrowRight" && at >= 0)) {
    return 1;
  }
  if (key === "k" || (key === "ArrowLeft" && at >= 0)) {
    return -1;
  }
  if (at < 0 || (key !== "ArrowDown" && key !== "ArrowUp")) {
    return null;
  }
  return key === "ArrowDown" ? columns(hits) : -columns(hits);
}

/** @param {Element[]} hits */
function columns(hits) {
  const top = hits[0].getBoundingClientRect().top;
  const count = hits.findIndex((hit) => hit.getBoundingClientRect().top !== top);
  return count < 0 ? hits.length : count;
}

/** @param {Element | null} element */
function click(element) {
  return element ? () => /** @type {HTMLElement} */ (element).click() : null;
}

/** Whether keys are text there.
 * @param {Element | null} element
 */
function writes(element) {
  return element !== null && (element.matches("input:not([type=checkbox]), textarea, select") || /** @type {HTMLElement} */ (element).isContentEditable);
}
