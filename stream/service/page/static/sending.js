// Sends one file in pieces, and goes on after whatever passes: a lost connection, a service that is busy or restarts.
import { begin, giveUp, newKey, nextByte, send, sha256 } from "./tus.js";
import { bytes, drawActs, drawBytes, drawState } from "./upload_row.js";

/** `path` is empty until the service knows of it. `asked`: whether the service said what the next byte is. `gone`: it
 * was given up. `key`: of the attempt to begin. `wake` ends a pause.
 * @typedef {import("./tus.js").Answer} Answer
 * @typedef {{element: HTMLElement, file: File | null, place: import("./tus.js").Place | null, path: string, asset: string, size: number, sent: number, asked: boolean, whole: boolean, gone: boolean, known: boolean, key: string, working: boolean, abort: () => void, wake: () => void}} Row
 */

/** Proxies bound a request, and what a piece had brought is safe at its end at the latest. */
const PIECE_BYTES = 8 * 2 ** 20;
/** Of so long a file the digest is taken: browsers cannot do that in pieces, so it has to fit into memory. */
const DIGESTED_BYTES = 32 * 2 ** 20;
const LONGEST_WAIT_S = 30;
const PASSING = new Set([0, 408, 429, 500, 502, 503, 504]);
const PASSING_CODES = new Set(["upload_busy", "other_upload_offset", "write_in_flight"]);
/** After these the service has nothing to go on with. */
const LOST = new Set([404, 410, 460]);
const UNREADABLE = { status: -1, code: "", detail: "The file cannot be read any more, or has changed: choose it again.", waitS: 0, offset: NaN, body: null };

/** Whether all of it was taken. @param {Document} page @param {Row} row */
export async function sendAll(page, row) {
  for (let troubles = 0; !row.gone; ) {
    if (troubles === 0) {
      drawGoing(page, row, "uploading");
    }
    const answer = await step(page, row);
    if (row.gone) {
      return false;
    }
    if (answer.status >= 200 && answer.status < 300) {
      // That the service answers is not yet that it takes the piece.
      troubles = answer.status === 200 ? troubles : 0;
      if (row.whole) {
        return true;
      }
    } else if (!PASSING.has(answer.status) && !PASSING_CODES.has(answer.code)) {
      fail(page, row, answer);
      return false;
    } else if (!(await readable(row.file))) {
      fail(page, row, UNREADABLE);
      return false;
    } else {
      // What came of the piece stays.
      row.asked = false;
      await pause(page, row, answer, troubles);
      troubles += 1;
    }
  }
  return false;
}

/** One request. @param {Document} page @param {Row} row @returns {Promise<Answer>} */
function step(page, row) {
  if (!row.path) {
    return begun(page, row);
  }
  return row.asked ? sentPiece(page, row) : whereToGoOn(page, row);
}

/** @param {Document} page @param {Row} row */
async function begun(page, row) {
  let digest = null;
  try {
    digest = row.size <= DIGESTED_BYTES ? await sha256(page, row.file) : null;
  } catch {
    return UNREADABLE;
  }
  // The same after a lost answer: what that one began is not begun twice.
  row.key ||= newKey(page);
  const answer = await begin(page, row.place, row.file, digest, row.key);
  row.key = PASSING.has(answer.status) || PASSING_CODES.has(answer.code) ? row.key : "";
  if (answer.status === 201) {
    row.path = answer.body.path;
    row.asset = answer.body.asset;
    row.sent = 0;
    row.asked = true;
    if (row.gone) {
      await giveUp(page, row.path);
    }
  }
  return answer;
}

/** @param {Document} page @param {Row} row */
async function whereToGoOn(page, row) {
  const answer = await nextByte(page, row.path);
  if (answer.status === 200) {
    row.sent = answer.offset;
    row.asked = true;
    drawBytes(row.element, row.sent, row.size);
  }
  return answer;
}

/** @param {Document} page @param {Row} row */
async function sentPiece(page, row) {
  const piece = row.file.slice(row.sent, row.sent + PIECE_BYTES);
  const last = row.sent + piece.size === row.size;
  const { answer, abort } = send(page, row.path, row.sent, piece, (count) => {
    drawBytes(row.element, row.sent + count, row.size);
    drawGoing(page, row, last && count === piece.size ? "checking" : "uploading");
  });
  row.abort = abort;
  const found = await answer;
  if (found.status === 204) {
    row.sent = found.offset;
    row.whole = last && row.sent === row.size;
    drawBytes(row.element, row.sent, row.size);
  }
  return found;
}

/** @param {Document} page @param {Row} row @param {"uploading" | "checking"} state */
function drawGoing(page, row, state) {
  drawState(page, row.element, state);
  drawActs(row.element, { cancel: true });
}

/** @param {Document} page @param {Row} row @param {Answer} answer @param {number} troubles How many there were before. */
async function pause(page, row, answer, troubles) {
  const view = page.defaultView;
  const offline = view.navigator.onLine ? "The service does not answer." : "This device is offline.";
  drawState(page, row.element, "paused", `${answer.status ? answer.detail : offline} It goes on by itself.`, troubles > 0);
  drawActs(row.element, { retry: true, cancel: true });
  const waitS = Math.max(answer.waitS, Math.min(LONGEST_WAIT_S, 2 ** troubles));
  await new Promise((resolve) => {
    const end = () => {
      view.clearTimeout(timer);
      view.removeEventListener("online", end);
      resolve(null);
    };
    const timer = view.setTimeout(end, waitS * 1000);
    view.addEventListener("online", end);
    row.wake = end;
  });
  row.wake = () => {};
}

/** @param {Document} page @param {Row} row @param {Answer} answer */
function fail(page, row, answer) {
  let why = answer.detail;
  if (answer.status === 401) {
    why = "Your sign-in has ended. What was sent stays for a day: sign in again, then choose the same file.";
  } else if (LOST.has(answer.status)) {
    why = answer.status === 460 ? `${why} Try again to send all of it.` : "The service no longer has what was sent. Try again to send all of it.";
    row.path = "";
    drawBytes(row.element, 0, row.size);
  }
  drawState(page, row.element, "failed", why);
  drawActs(row.element, { retry: answer.status > 0 && answer.status !== 401, cancel: true, signIn: answer.status === 401 });
}

/** Why a file is not even begun; "" where it can be. @param {File} file @param {number} most */
export function refusal(file, most) {
  if (!file.size) {
    return "The file is empty.";
  }
  return file.size > most ? `The file has ${bytes(file.size)}, and one upload at most ${bytes(most)}.` : "";
}

/** Whether the file is still there: a request with one that is not fails like a connection. @param {File} file */
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
