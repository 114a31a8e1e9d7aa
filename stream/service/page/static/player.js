// The player beside its lanes: both show the same time, and either moves the other.

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

  video.addEventListener("error", () => explain(page, video));
  if (video.error) {
    explain(page, video);
  }
  const follow = () => show(page, lanes, rows, video.currentTime - offset);
  video.addEventListener("timeupdate", follow);
  // It may have gone to its moment before this module was there.
  follow();
  page.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("tr[data-start] a.open");
    if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
      event.preventDefault();
      page.defaultView.history.replaceState(null, "", /** @type {HTMLAnchorElement} */ (link).href);
      seek(Number(/** @type {HTMLElement} */ (link.closest("tr")).dataset.start));
    }
  });
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
