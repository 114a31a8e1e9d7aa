// What is worked on now is shown as it changes, by the service's stream of events for each asset.
import { say } from "./navigate.js";

/** Browsers open six connections to one place: pictures and searches need some of them. */
const AT_ONCE = 3;
/** Where a stream is refused, as by a service that is busy, browsers do not ask again. */
const AGAIN_MS = 5000;
const TRIES = 12;

/** @typedef {{stage: string, done: number | null, failed: number, code: string | null, reason: string | null}} Stage
 * @typedef {{asset_id: string, status: string, searchable: boolean, segments: number, segments_done: number, code: string | null, reason: string | null}} Asset
 */

/** @param {Document} page */
export function startProgress(page) {
  const waiting = /** @type {HTMLElement[]} */ ([...page.querySelectorAll("[data-events]")]);
  /** @type {Set<EventSource>} */
  const open = new Set();
  /** @type {Map<HTMLElement, number>} */
  const refusals = new Map();
  let left = false;
  const next = () => {
    while (open.size < AT_ONCE && waiting.length) {
      listen(page, waiting.shift(), open, next, again);
    }
  };
  /** @param {HTMLElement} place */
  const again = (place) => {
    const tried = (refusals.get(place) ?? 0) + 1;
    refusals.set(place, tried);
    if (tried < TRIES) {
      setTimeout(() => {
        if (!left) {
          waiting.push(place);
          next();
        }
      }, AGAIN_MS);
    }
  };
  // Another state of the page took this one's place.
  page.addEventListener("shown", () => {
    left = true;
    waiting.length = 0;
    open.forEach((source) => source.close());
  });
  next();
}

/** @param {Document} page @param {HTMLElement} place @param {Set<EventSource>} open @param {() => void} next
 * @param {(place: HTMLElement) => void} again
 */
function listen(page, place, open, next, again) {
  const source = new EventSource(place.dataset.events);
  open.add(source);
  const end = () => {
    source.close();
    open.delete(source);
    next();
  };
  source.addEventListener("progress", (event) => draw(place, JSON.parse(event.data)));
  source.addEventListener("end", (event) => {
    const found = JSON.parse(event.data);
    draw(place, found);
    say(page, `${found.asset.asset_id} is ${found.asset.status}`);
    end();
    finished(page, place);
  });
  source.addEventListener("error", () => {
    // Otherwise the browser asks again by itself.
    if (source.readyState === EventSource.CLOSED) {
      end();
      again(place);
    }
  });
}

/** @param {HTMLElement} place @param {{asset: Asset, stages: Stage[]}} found */
function draw(place, { asset, stages }) {
  const status = place.querySelector("[data-status]");
  text(status, asset.status);
  status.className = `strength ${asset.status === "ready" ? "strong" : asset.searchable ? "fair" : "weak"}`;
  bar(place.querySelector("[data-cells]"), asset.segments_done, asset.segments);
  const body = place.querySelector("[data-stages]");
  if (body) {
    stages.forEach((stage) => drawStage(body, stage, asset.segments));
  } else {
    why(place, asset);
  }
}

/** @param {Element} body @param {Stage} stage @param {number} cells */
function drawStage(body, stage, cells) {
  let row = /** @type {HTMLElement | undefined} */ ([...body.children].find((item) => /** @type {HTMLElement} */ (item).dataset.stage === stage.stage));
  if (!row) {
    // Of a stage that gave up on something since.
    row = /** @type {HTMLElement} */ (body.firstElementChild.cloneNode(true));
    row.dataset.stage = stage.stage;
    text(row.querySelector("th"), stage.stage);
    text(row.querySelector("[data-missing]"), "");
    body.append(row);
  }
  bar(row.querySelector("[data-cells]"), stage.done, cells);
  text(row.querySelector("[data-failed]"), String(stage.failed));
  why(row, stage);
}

/** @param {Element} place @param {number | null} done @param {number} of */
function bar(place, done, of) {
  const shape = place.querySelector("progress");
  shape.hidden = done === null;
  shape.max = of || 1;
  shape.value = done ?? 0;
  text(place.querySelector("span"), done === null ? "–" : `${done} of ${of}`);
}

/** @param {Element} place @param {{code: string | null, reason: string | null}} said */
function why(place, { code, reason }) {
  text(place.querySelector("[data-code]"), code ?? "");
  text(place.querySelector("[data-reason]"), code ? (reason ?? "") : "");
}

/** The page of an asset has more to show by now. Who watches already is asked.
 * @param {Document} page @param {HTMLElement} place
 */
function finished(page, place) {
  const note = /** @type {HTMLElement | null} */ (place.querySelector("#finished"));
  if (note && page.querySelector("#player video")) {
    note.hidden = false;
  } else if (note) {
    page.defaultView.location.reload();
  }
}

/** @param {Element} place @param {string} said */
function text(place, said) {
  if (place.textContent !== said) {
    place.textContent = said;
  }
}
