// Moving over a picture, or dragging a finger across it, shows the rest of its asset, from one picture of all its thumbnails (WebVTT with `#xywh`).

/** @typedef {{start: number, end: number, from: string, url: string, x: number, y: number, w: number, h: number}} Tile */

/** @type {Map<string, Promise<Tile[]>>} */
const known = new Map();

/** What the mouse or a finger is on. @type {HTMLElement | null} */
let under = null;

/** @param {Document} page */
export function startScrub(page) {
  // Motion that nobody asked for makes some people ill.
  if (page.defaultView.matchMedia("(prefers-reduced-motion: reduce)").matches) {
    return;
  }
  page.addEventListener("pointermove", (event) => {
    const open = /** @type {Element} */ (event.target).closest?.(".grid [data-sprite]");
    if (open) {
      under = /** @type {HTMLElement} */ (open);
      show(under, event.clientX);
    }
  });
  // Also when a finger is lifted, or goes on to scroll the page.
  page.addEventListener("pointerout", (event) => {
    const open = /** @type {Element} */ (event.target).closest?.(".grid [data-sprite]");
    if (open && !open.contains(/** @type {Node | null} */ (event.relatedTarget))) {
      under = null;
      open.querySelector(".scrub")?.remove();
    }
  });
}

/** @param {HTMLElement} open @param {number} x */
async function show(open, x) {
  const path = open.dataset.sprite;
  if (!known.has(path)) {
    known.set(path, load(path));
  }
  const tiles = await known.get(path);
  const box = open.getBoundingClientRect();
  if (!tiles.length || under !== open) {
    return;
  }
  const share = Math.min(0.999, Math.max(0, (x - box.left) / box.width));
  const time = share * tiles[tiles.length - 1].end;
  draw(open, box, tiles.find((tile) => time < tile.end) ?? tiles[0], share);
}

/** @param {HTMLElement} open @param {DOMRect} box @param {Tile} tile @param {number} share */
function draw(open, box, tile, share) {
  let frame = /** @type {HTMLElement | null} */ (open.querySelector(".scrub"));
  if (!frame) {
    frame = open.ownerDocument.createElement("span");
    frame.className = "scrub";
    frame.append(...["span", "i", "b"].map((name) => open.ownerDocument.createElement(name)));
    open.append(frame);
  }
  const [picture, mark, clock] = /** @type {HTMLElement[]} */ ([...frame.children]);
  const scale = Math.min(box.width / tile.w, box.height / tile.h);
  Object.assign(picture.style, {
    width: `${tile.w}px`,
    height: `${tile.h}px`,
    backgroundImage: `url("${tile.url}")`,
    backgroundPosition: `${-tile.x}px ${-tile.y}px`,
    transform: `scale(${scale})`,
  });
  mark.style.left = `${share * 100}%`;
  clock.textContent = tile.from;
}

/** Of an asset; none where there are none to be had.
 * @param {string} path @returns {Promise<Tile[]>}
 */
async function load(path) {
  try {
    const answer = await fetch(path);
    return answer.ok ? parsed(await answer.text()) : [];
  } catch {
    known.delete(path);
    return [];
  }
}

/** @param {string} text @returns {Tile[]} */
function parsed(text) {
  const cue = /([\d:.]+) --> ([\d:.]+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g;
  return [...text.matchAll(cue)].map(([, start, end, url, ...area]) => {
    const [x, y, w, h] = area.map(Number);
    return { start: seconds(start), end: seconds(end), from: start, url, x, y, w, h };
  });
}

/** @param {string} clock */
function seconds(clock) {
  return clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}
