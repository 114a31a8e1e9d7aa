// What becomes of a file that was published: its asset, as the service tells it.
import { found } from "./tus.js";
import { drawActs, drawCells, drawLink, drawState } from "./upload_row.js";

/** Browsers open six connections to one place: uploads and searches need some of them. */
const MOST_WATCHED = 2;
let watched = 0;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;

/** Until the asset is final, or `row` has gone. While the asset is not known its upload is asked, which is there.
 * @param {Document} page @param {{element: HTMLElement, path: string, asset: string, gone: boolean, known: boolean}} row
 */
export async function follow(page, row) {
  drawState(page, row.element, "published");
  drawActs(row.element, {});
  for (let waitMs = FIRST_WAIT_MS; !row.gone; waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 1.5)) {
    // One that waited for others to end would not be told of its own end.
    if (row.known && (await (watched < MOST_WATCHED ? watch(page, row) : look(page, row)))) {
      return;
    }
    // There is no asset yet, or no place to listen. What was refused never becomes one.
    const { status, body } = await found(page, row.path);
    if (status === 200 && body.asset_known && !row.known) {
      row.known = true;
      continue;
    }
    if (status === 200 && body.state === "refused") {
      drawState(page, row.element, "failed", `It was refused: ${body.code}.`);
      return;
    }
    if (status === 401) {
      drawState(page, row.element, "published", "Your sign-in has ended: what becomes of it is not shown.");
      drawActs(row.element, { signIn: true });
      return;
    }
    await new Promise((resolve) => page.defaultView.setTimeout(resolve, waitMs));
  }
}

/** Whether it came to its end. @param {Document} page
 * @param {{element: HTMLElement, asset: string}} row @returns {Promise<boolean>}
 */
function watch(page, row) {
  const source = new EventSource(`${row.asset}/events`);
  watched += 1;
  return new Promise((resolve) => {
    source.addEventListener("progress", (event) => draw(page, row, JSON.parse(event.data).asset));
    source.addEventListener("end", (event) => {
      source.close();
      draw(page, row, JSON.parse(event.data).asset);
      resolve(true);
    });
    source.addEventListener("error", () => {
      // Otherwise the browser asks again by itself.
      if (source.readyState === EventSource.CLOSED) {
        resolve(false);
      }
    });
  }).finally(() => (watched -= 1));
}

/** Once, where no place to listen is free. @param {Document} page
 * @param {{element: HTMLElement, asset: string}} row @returns {Promise<boolean>}
 */
async function look(page, row) {
  const { status, body } = await found(page, `${row.asset}?limit=1`);
  if (status !== 200) {
    return false;
  }
  draw(page, row, body.asset);
  return body.asset.status !== "planned";
}

/** @param {Document} page @param {{element: HTMLElement, asset: string}} row
 * @param {{status: string, segments: number, segments_done: number, code: string | null, reason: string | null}} asset
 */
function draw(page, { element, asset: path }, asset) {
  drawLink(element, path);
  drawCells(element, asset.segments_done, asset.segments);
  const why = asset.code ? `${asset.code}: ${asset.reason ?? ""}` : "";
  if (asset.status === "ready") {
    drawState(page, element, "ready");
  } else if (asset.status === "partial") {
    drawState(page, element, "ready in part", why);
  } else if (asset.status === "planned") {
    drawState(page, element, "being understood", why);
  } else {
    drawState(page, element, "failed", why || `The asset is ${asset.status}.`);
  }
}
