// A long grid: more hits come as one nears its end, and only those near the view are in the document.
// Ten thousand rows of one hit are 3.5 million pixels high; browsers lay out up to about 7 million.

const AHEAD_ROWS = 4;
const AHEAD_PX = 1500;
const MOST_WHOLE = 120;
/** The rows ahead last that long at 12,000 pixels a second. */
const PAUSE_MS = 100;

/** @param {Document} page */
export function startWindow(page) {
  let list = new HitWindow(page);
  page.addEventListener("shown", () => (list = new HitWindow(page)));
  let waiting = false;
  let looked = -PAUSE_MS;
  const look = () => {
    if (waiting) {
      return;
    }
    waiting = true;
    // What flies by cannot be seen, and each of its pictures would be asked for.
    page.defaultView.setTimeout(
      () =>
        page.defaultView.requestAnimationFrame((now) => {
          waiting = false;
          looked = now;
          list.look();
        }),
      Math.max(0, looked + PAUSE_MS - page.defaultView.performance.now()),
    );
  };
  page.addEventListener("scroll", look, { passive: true });
  page.addEventListener("stepped", () => list.look());
  page.defaultView.addEventListener("resize", () => list.measure());
  look();
}

/** The grid of one state of the page. `hits` are all that came, in their order. */
class HitWindow {
  /** @param {Document} page */
  constructor(page) {
    this.page = page;
    this.grid = /** @type {HTMLElement | null} */ (page.querySelector("#content .grid"));
    this.hits = /** @type {HTMLElement[]} */ (this.grid ? [...this.grid.children] : []);
    this.loading = false;
    this.shown = "";
    this.place(0);
  }

  look() {
    if (this.grid?.isConnected) {
      this.draw();
      this.load();
    }
  }

  /** Sizes changed: whatever is drawn was for others. */
  measure() {
    if (this.grid && this.hits.length > MOST_WHOLE) {
      this.grid.classList.remove("windowed");
      this.shown = "";
      this.look();
    }
  }

  /** Say to a screen reader where each hit from `first` on is.
   * @param {number} first
   */
  place(first) {
    const more = this.page.querySelector("#more") !== null;
    // -1: how many there are is not known. All are told once it is.
    for (let index = more ? first : 0; index < this.hits.length; index += 1) {
      this.hits[index].setAttribute("aria-posinset", String(index + 1));
      this.hits[index].setAttribute("aria-setsize", more ? "-1" : String(this.hits.length));
    }
  }

  /** Put the rows near the view into the document, and room for the others around them. */
  draw() {
    if (this.hits.length <= MOST_WHOLE) {
      return;
    }
    const grid = this.grid;
    if (!grid.classList.contains("windowed")) {
      // Rows of one height can be counted without being laid out.
      const heights = [...grid.children].map((hit) => hit.getBoundingClientRect().height);
      this.gap = parseFloat(getComputedStyle(grid).rowGap);
      this.row = Math.max(...heights) + this.gap;
      this.columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
      grid.style.gridAutoRows = `${this.row - this.gap}px`;
      grid.classList.add("windowed");
    }
    const rows = Math.ceil(this.hits.length / this.columns);
    const top = -grid.getBoundingClientRect().top;
    const high = this.page.defaultView.innerHeight;
    const first = Math.max(0, Math.min(rows - 1, Math.floor(top / this.row)) - AHEAD_ROWS);
    const last = Math.min(rows, Math.ceil((top + high) / this.row) + AHEAD_ROWS);
    const shown = `${first} ${last} ${this.hits.length}`;
    if (shown === this.shown) {
      return;
    }
    this.shown = shown;
    grid.style.paddingTop = `${first * this.row}px`;
    grid.style.paddingBottom = `${Math.max(0, rows - last) * this.row}px`;
    fill(grid, this.hits.slice(first * this.columns, last * this.columns));
    this.page.dispatchEvent(new CustomEvent("drawn"));
  }

  /** Fetch what comes next, if its place is near. */
  load() {
    const more = /** @type {HTMLAnchorElement | null} */ (this.page.querySelector("#more"));
    const near = more && more.getBoundingClientRect().top < this.page.defaultView.innerHeight + AHEAD_PX;
    if (!near || this.loading) {
      return;
    }
    this.loading = true;
    const request = new XMLHttpRequest();
    request.open("GET", more.href);
    request.responseType = "document";
    request.onload = () => this.add(more, request.response);
    // The link stays, and says what went wrong to who follows it.
    request.onerror = () => (more.id = "more-failed");
    request.send();
  }

  /** @param {HTMLAnchorElement} more @param {Document | null} found */
  add(more, found) {
    this.loading = false;
    if (!more.isConnected) {
      return;
    }
    const hits = [...(found?.querySelectorAll("#content .grid > .hit") ?? [])];
    const next = found?.querySelector("#more");
    if (!hits.length && !next) {
      more.id = "more-failed";
      return;
    }
    const first = this.hits.length;
    const added = /** @type {HTMLElement[]} */ (hits.map((hit) => this.page.adoptNode(hit)));
    this.hits.push(...added);
    if (this.hits.length <= MOST_WHOLE) {
      this.grid.append(...added);
    }
    if (next) {
      more.replaceWith(this.page.adoptNode(next));
    } else {
      more.parentElement.remove();
    }
    this.place(first);
    const summary = this.page.querySelector("#summary");
    summary.textContent = `${this.hits.length} hits${next ? " so far" : ""}`;
    this.page.dispatchEvent(new CustomEvent("drawn"));
    this.look();
  }
}

/** Make these the children of the grid. What stays is not touched: it keeps the focus, and its picture.
 * @param {HTMLElement} grid @param {HTMLElement[]} hits
 */
function fill(grid, hits) {
  const staying = new Set(hits);
  for (const hit of [...grid.children]) {
    if (!staying.has(/** @type {HTMLElement} */ (hit))) {
      hit.remove();
    }
  }
  let next = grid.firstElementChild;
  for (const hit of hits) {
    if (hit === next) {
      next = next.nextElementSibling;
    } else {
      grid.insertBefore(hit, next);
    }
  }
}
