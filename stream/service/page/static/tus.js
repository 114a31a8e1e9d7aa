// Uploads as the service takes them: tus 1.0. It only asks; what to do with an answer is in upload.js.

/** `status` 0: there was no answer. `waitS`: for so long the service asks to wait.
 * @typedef {{status: number, code: string, detail: string, waitS: number, offset: number, body: any}} Answer
 * @typedef {{tenant: string, project: string, labels: string[]}} Place
 */

const VERSION = "1.0.0";

/** Begin to send a file. With its digest the service compares what it stored; asked again with the same `key` it begins
 * nothing new.
 * @param {Document} page @param {Place} place @param {File} file @param {string | null} sha256 @param {string} key
 */
export function begin(page, place, file, sha256, key) {
  const asked = new URLSearchParams({ tenant: place.tenant, project: place.project });
  place.labels.forEach((label) => asked.append("label", label));
  const said = [`filename ${base64(file.name)}`, ...(sha256 ? [`sha256 ${base64(sha256)}`] : [])];
  const headers = { "upload-length": String(file.size), "upload-metadata": said.join(","), "idempotency-key": key };
  return ask(page, "POST", `/v1/uploads?${asked}`, { headers }).answer;
}

/** @param {Document} page @param {string} path What became of an upload. */
export function found(page, path) {
  return ask(page, "GET", path).answer;
}

/** @param {Document} page @param {string} path The next byte to send. */
export function nextByte(page, path) {
  return ask(page, "HEAD", path).answer;
}

/** @param {Document} page @param {string} path */
export function giveUp(page, path) {
  return ask(page, "DELETE", path).answer;
}

/** @param {Document} page @param {string} path @param {number} offset @param {Blob} piece
 * @param {(bytes: number) => void} sent
 */
export function send(page, path, offset, piece, sent) {
  const headers = { "upload-offset": String(offset), "content-type": "application/offset+octet-stream" };
  return ask(page, "PATCH", path, { headers, body: piece, sent });
}

/** What the service compares a stored file with; null where the browser cannot say.
 * @param {Document} page @param {File} file
 */
export async function sha256(page, file) {
  // Browsers have it at secure addresses only, and not in pieces: the whole file has to be in memory.
  const digests = page.defaultView.crypto.subtle;
  if (!digests) {
    return null;
  }
  const digest = await digests.digest("SHA-256", await file.arrayBuffer());
  return hex(new Uint8Array(digest));
}

/** Of one attempt to begin. @param {Document} page */
export function newKey(page) {
  // Not `randomUUID`: browsers have that at secure addresses only.
  return hex(page.defaultView.crypto.getRandomValues(new Uint8Array(16)));
}

/** @param {Uint8Array} data */
function hex(data) {
  return [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Document} page @param {string} method @param {string} url
 * @param {{headers?: Record<string, string>, body?: Blob | null, sent?: (bytes: number) => void}} rest
 * @returns {{answer: Promise<Answer>, abort: () => void}}
 */
function ask(page, method, url, { headers = {}, body = null, sent = undefined } = {}) {
  const request = new XMLHttpRequest();
  request.open(method, url);
  const token = page.querySelector("meta[name=csrf-token]")?.getAttribute("content");
  const all = { "tus-resumable": VERSION, ...headers, ...(token ? { "x-csrf-token": token } : {}) };
  Object.entries(all).forEach(([name, value]) => request.setRequestHeader(name, value));
  if (sent) {
    request.upload.addEventListener("progress", (event) => sent(event.loaded));
  }
  const answer = new Promise((resolve) => {
    request.addEventListener("loadend", () => resolve(answerOf(request)));
  });
  request.send(body);
  return { answer, abort: () => request.abort() };
}

/** @param {XMLHttpRequest} request @returns {Answer} */
function answerOf(request) {
  let body = null;
  try {
    body = JSON.parse(request.responseText);
  } catch {
    // Of a proxy, or of an answer without a body.
  }
  return {
    status: request.status,
    code: body?.code ?? "",
    detail: body?.detail ?? `The service answered ${request.status}.`,
    waitS: Number(request.getResponseHeader("retry-after")) || 0,
    offset: Number(request.getResponseHeader("upload-offset") ?? NaN),
    body,
  };
}

/** @param {string} text */
function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
