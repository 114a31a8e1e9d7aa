// Uploads files that are chosen or dropped. They go on while another state of the page is shown, and end with the tab.
import { say } from "./navigate.js";
import { refusal, sendAll } from "./sending.js";
import { turns } from "./turns.js";
import { giveUp } from "./tus.js";
import { follow } from "./understood.js";
import { bytes, drawActs, drawBytes, drawState, nameOf, nameParts, newRow } from "./upload_row.js";

/** @typedef {import("./sending.js").Row} Row */

const turn = turns(2);
/** All that this tab shows or works on. @type {Set<Row>} */
const rows = new Set();

/** @param {Document} page */
export function startUpload(page) {
  adopt(page);
  page.addEventListener("shown", () => adopt(page));
  page.addEventListener("change", (event) => chosen(page, /** @type {HTMLInputElement} */ (event.target)));
  page.addEventListener("click", (event) => clicked(page, /** @type {Element} */ (event.target)));
  page.addEventListener("drop", (event) => {
    const form = formOf(page);
    if (form && event.dataTransfer.files.length) {
      event.preventDefault();
      add(page, form, [...event.dataTransfer.files]);
    }
  });
  page.defaultView.addEventListener("beforeunload", (event) => {
    if ([...rows].some((row) => row.working)) {
      event.preventDefault();
    }
  });
}

/** The list as the server wrote it, with the rows that this tab works on in their places.
 * @param {Document} page
 */
function adopt(page) {
  const list = page.querySelector("#uploads");
  if (!list) {
    return;
  }
  const form = formOf(page);
  if (form) {
    form.hidden = false;
    /** @type {HTMLElement} */ (page.querySelector("#upload-needs-script")).hidden = true;
  }
  const placed = new Set();
  for (const item of /** @type {HTMLElement[]} */ ([...list.children])) {
    const known = [...rows].find((row) => row.path === item.dataset.upload);
    placed.add(known ?? listed(page, item));
    if (known) {
      item.replaceWith(known.element);
    }
  }
  list.prepend(...[...rows].filter((row) => !placed.has(row)).map((row) => row.element));
  count(page);
}

/** @param {Document} page @param {HTMLElement} element @returns {Row} */
function listed(page, element) {
  const { upload, asset, known, size, sent, state, to } = element.dataset;
  const row = added(element, { path: upload, asset, place: JSON.parse(to), size: Number(size), sent: Number(sent), known: known !== undefined });
  drawBytes(element, row.sent, row.size);
  if (state === "paused") {
    drawActs(element, { again: true, cancel: true });
  } else if (state === "published") {
    follow(page, row);
  }
  return row;
}

/** @param {HTMLElement} element @param {Partial<Row>} known @returns {Row} */
function added(element, known) {
  const blank = { file: null, place: null, path: "", asset: "", size: 0, sent: 0, asked: false, whole: false, gone: false, known: false, key: "", working: false };
  const row = { ...blank, abort: () => {}, wake: () => {}, ...known, element };
  rows.add(row);
  nameParts(element);
  return row;
}

/** @param {Document} page @param {HTMLInputElement} input */
function chosen(page, input) {
  const files = [...(input.files ?? [])];
  if (input.id === "files") {
    add(page, formOf(page), files);
  } else if (input.closest("[data-again]") && files.length) {
    goOn(page, rowOf(input), files[0]);
  } else {
    return;
  }
  // The same file can be chosen again.
  input.value = "";
}

/** @param {Document} page @param {HTMLFormElement} form @param {File[]} files */
function add(page, form, files) {
  const place = placeOf(form);
  if (!place || !files.length) {
    return;
  }
  for (const file of files) {
    const begun = [...rows].find((row) => isBegun(row, file));
    if (begun) {
      goOn(page, begun, file);
    } else {
      fresh(page, form, place, file);
    }
  }
  count(page);
  say(page, files.length === 1 ? `${files[0].name}: waiting` : `${files.length} files are waiting`);
}

/** @param {Document} page @param {HTMLFormElement} form @param {import("./tus.js").Place} place @param {File} file */
function fresh(page, form, place, file) {
  const words = [`${place.tenant} / ${place.project}`, ...place.labels].join(" · ");
  const row = added(newRow(page, file.name, words), { file, place, size: file.size });
  page.querySelector("#uploads").prepend(row.element);
  drawBytes(row.element, 0, row.size);
  const why = refusal(file, Number(form.dataset.mostBytes));
  if (why) {
    drawState(page, row.element, "failed", why);
    drawActs(row.element, { cancel: true });
  } else {
    start(page, row);
  }
}

/** @param {Document} page @param {Row} row @param {File} file */
function goOn(page, row, file) {
  if (file.size !== row.size) {
    const why = `${file.name} has ${bytes(file.size)} and this upload ${bytes(row.size)}: choose the file that it began with.`;
    drawState(page, row.element, "paused", why);
    say(page, why);
    return;
  }
  row.file = file;
  start(page, row);
}

/** @param {Document} page @param {Row} row */
async function start(page, row) {
  row.asked = false;
  row.working = true;
  drawState(page, row.element, "waiting");
  drawActs(row.element, { cancel: true });
  const whole = await turn(() => sendAll(page, row));
  row.working = false;
  if (whole) {
    await follow(page, row);
  }
}

/** @param {Document} page @param {Element} target */
function clicked(page, target) {
  const row = rowOf(target);
  if (row && target.closest("[data-cancel] button")) {
    cancel(page, row);
  } else if (row && target.closest("[data-retry]")) {
    if (row.working) {
      row.wake();
    } else {
      start(page, row);
    }
  }
}

/** @param {Document} page @param {Row} row */
async function cancel(page, row) {
  row.gone = true;
  row.abort();
  row.wake();
  const answer = row.path ? await giveUp(page, row.path) : null;
  if (answer && answer.status !== 204 && answer.status !== 404) {
    row.gone = false;
    if (answer.code === "upload_complete") {
      follow(page, row);
    } else {
      drawState(page, row.element, "failed", `It was not given up: ${answer.status ? answer.detail : "the service does not answer."}`);
      drawActs(row.element, { retry: row.file !== null, cancel: true });
    }
    return;
  }
  rows.delete(row);
  row.element.remove();
  count(page);
  say(page, `${nameOf(row.element)}: given up`);
  /** @type {HTMLElement | null} */ (page.querySelector("#files"))?.focus();
}

/** Where the form says that files go, or null with what is wrong shown. @param {HTMLFormElement} form */
function placeOf(form) {
  const { project, labels } = /** @type {Record<string, HTMLInputElement>} */ (/** @type {unknown} */ (form.elements));
  const said = labels.value.split(",").map((label) => label.trim()).filter(Boolean);
  const wrong = said.find((label) => label.indexOf("=") < 1 || label.length > 200);
  labels.setCustomValidity(wrong === undefined ? "" : `Write a label as name=value, not ${wrong.slice(0, 50)}.`);
  labels.addEventListener("input", () => labels.setCustomValidity(""), { once: true });
  return form.reportValidity() ? { tenant: form.dataset.tenant, project: project.value.trim(), labels: said } : null;
}

/** Whether it is the file of an upload that was cut off: by its name, as the service keeps names, and its size.
 * @param {Row} row @param {File} file
 */
function isBegun(row, file) {
  const kept = file.name.normalize("NFC").replace(/[^\p{L}\p{N}_ .,()+@=&'-]/gu, "_");
  return !row.file && row.element.dataset.state === "paused" && row.size === file.size && nameOf(row.element) === kept;
}

/** @param {Element} part @returns {Row | undefined} */
function rowOf(part) {
  const element = part.closest("#uploads > li");
  return [...rows].find((row) => row.element === element);
}

/** @param {Document} page @returns {HTMLFormElement | null} */
function formOf(page) {
  return page.querySelector("#upload");
}

/** @param {Document} page */
function count(page) {
  const list = page.querySelector("#uploads");
  if (list) {
    /** @type {HTMLElement} */ (page.querySelector("#no-uploads")).hidden = list.childElementCount > 0;
  }
}
