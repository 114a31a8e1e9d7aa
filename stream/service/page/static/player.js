import { say } from "./navigate.js";

// The player beside its lanes: both show the same time, and either moves the other.

/** Players stop a little beside the time that they are sent to. */
const NEAR_S = 0.05;

/** @param {Document} page */
export function startPlayer(page) {
  const video = /** @type {HTMLVideoElement | null} */ (page.querySelector("#player video"));
  if (!video) {
    return;
  }
  const lanes = /** @type {SVGSVGElement | null} */ (page.querySelector("#lanes"));
  const rows = /** @type {HTMLElement[]} */ ([...page.querySelectorAll("tr[data-start]")]);
  // Players count the file's own time, which begins before the first picture.
  const offset = Number(video.dataset.offset);

  /** @param {number} seconds */
  function seek(seconds) {
    video.currentTime = seconds + offset;
    video.scrollIntoView({ block: "nearest" });
  }

  /** @param {HTMLAnchorElement} link */
  function go(link) {
    page.defaultView.history.replaceState(null, "", link.href);
    seek(Number(/** @type {HTMLElement} */ (link.closest("[data-start]")).dataset.start));
  }

  /** To the hit after the player's time, or before it; from the last on to the first.
   * @param {1 | -1} step
   */
  function jump(step) {
    const now = video.currentTime - offset;
    const starts = hits.map((link) => Number(link.dataset.start));
    const found = step > 0 ? starts.findIndex((start) => start > now + NEAR_S) : starts.findLastIndex((start) => start < now - NEAR_S);
    const at = found < 0 ? (step > 0 ? 0 : hits.length - 1) : found;
    go(hits[at]);
    say(page, `Hit ${at + 1} of ${hits.length}, ${hits[at].textContent}`);
  }

  video.addEventListener("error", () => explain(page, video));
  if (video.error) {
    explain(page, video);
  }
  const follow = () => show(page, lanes, rows, video.currentTime - offset);
  video.addEventListener("timeupdate", follow);
  // It may have gone to its moment before this module was there.
  follow();
  page.addEventListener("click", (event) => {
    const link = /** @type {HTMLAnchorElement | null} */ (/** @type {Element} */ (event.target).closest("[data-start] a.open, a[data-start]"));
    if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
      event.preventDefault();
      go(link);
    }
  });
  const hits = /** @type {HTMLAnchorElement[]} */ ([...page.querySelectorAll("#found [data-start]")]);
  if (hits.length) {
    page.querySelector("#found .steps").removeAttribute("hidden");
    page.querySelector("#next-hit").addEventListener("click", () => jump(1));
    page.querySelector("#previous-hit").addEventListener("click", () => jump(-1));
  }
  if (lanes) {
    lanes.classList.add("seeks");
    lanes.addEventListener("click", (event) => {
      const box = lanes.getBoundingClientRect();
      seek(((event.clientX - box.left) / box.width) * Number(lanes.dataset.duration));
    });
  }
}

/** Say why the footage does not play: the service's own words where it has some, else the browser's lack.
 * @param {Document} page @param {HTMLVideoElement} video
 */
async function explain(page, video) {
  const note = /** @type {HTMLElement} */ (page.querySelector("#unplayable"));
  try {
    const answer = await fetch(video.src, { headers: { range: "bytes=0-0" } });
    if (!answer.ok) {
      note.textContent = (await answer.json()).detail;
    }
  } catch {
    note.textContent = "The service does not answer. It may be down, or this device is offline.";
  }
  note.hidden = false;
}

/** @param {Document} page @param {SVGSVGElement | null} lanes @param {HTMLElement[]} rows @param {number} seconds */
function show(page, lanes, rows, seconds) {
  if (lanes) {
    const at = `${Math.min(100, Math.max(0, (seconds / Number(lanes.dataset.duration)) * 100))}%`;
    const head = page.querySelector("#playhead");
    head.setAttribute("x1", at);
    head.setAttribute("x2", at);
  }
  for (const row of rows) {
    const current = Number(row.dataset.start) <= seconds && seconds < Number(row.dataset.end);
    if (current !== row.hasAttribute("aria-current")) {
      row.toggleAttribute("aria-current", current);
      if (current) {
        row.setAttribute("aria-current", "time");
      }
    }
  }
}
