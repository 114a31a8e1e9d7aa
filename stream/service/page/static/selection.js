// Hits that are chosen to be taken out as one file. The choice lasts as long as the tab, through every state of the page.
import { say } from "./navigate.js";

const KEPT = "rushes.selection";
const FORMAT = "rushes.export";

/** @typedef {{space: string, ids: string[]}} Chosen */

/** @param {Document} page @param {Storage} storage */
export function startSelection(page, storage) {
  const bar = /** @type {HTMLElement | null} */ (page.querySelector("#selection"));
  // Only who may export has one.
  if (!bar) {
    return;
  }
  const form = /** @type {HTMLFormElement} */ (bar.querySelector("form"));
  for (const change of ["shown", "drawn"]) {
    page.addEventListener(change, () => draw(page, bar, read(storage)));
  }
  page.addEventListener("change", (event) => {
    const box = /** @type {Element} */ (event.target);
    if (box instanceof HTMLInputElement && box.matches(".pick input")) {
      keep(page, bar, storage, [box]);
    }
  });
  page.addEventListener("click", (event) => {
    if (/** @type {Element} */ (event.target).closest("#pick-all")) {
      const boxes = picks(page);
      const all = boxes.every((box) => box.checked);
      boxes.forEach((box) => (box.checked = !all));
      keep(page, bar, storage, boxes);
    }
  });
  bar.querySelector("#unselect").addEventListener("click", () => write(page, bar, storage, { space: "", ids: [] }));
  remembered(form, storage);
  form.addEventListener("change", () => storage.setItem(FORMAT, JSON.stringify([...new FormData(form)])));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take(page, bar, form, read(storage));
  });
  draw(page, bar, read(storage));
}

/** As what it was exported last. @param {HTMLFormElement} form @param {Storage} storage */
function remembered(form, storage) {
  /** @type {[string, string][]} */
  const kept = JSON.parse(storage.getItem(FORMAT) ?? "[]");
  for (const [name, value] of kept) {
    const field = /** @type {HTMLSelectElement} */ (form.elements.namedItem(name));
    // A release may have dropped it.
    if ([...field.options].some((option) => option.value === value)) {
      field.value = value;
    }
  }
}

/** @param {Document} page @returns {HTMLInputElement[]} */
function picks(page) {
  return /** @type {HTMLInputElement[]} */ ([...page.querySelectorAll(".pick input")]);
}

/** @param {Storage} storage @returns {Chosen} */
function read(storage) {
  try {
    const kept = JSON.parse(storage.getItem(KEPT) ?? "");
    return { space: String(kept.space), ids: kept.ids.map(String) };
  } catch {
    return { space: "", ids: [] };
  }
}

/** @param {Document} page @param {HTMLElement} bar @param {Storage} storage @param {HTMLInputElement[]} boxes */
function keep(page, bar, storage, boxes) {
  const before = read(storage);
  const space = /** @type {HTMLElement} */ (page.querySelector("[data-space]")).dataset.space;
  // Moments of two spaces cannot be in one export.
  const ids = new Set(before.space === space ? before.ids : []);
  for (const box of boxes) {
    if (box.checked) {
      ids.add(box.value);
    } else {
      ids.delete(box.value);
    }
  }
  write(page, bar, storage, { space, ids: [...ids] });
}

/** @param {Document} page @param {HTMLElement} bar @param {Storage} storage @param {Chosen} chosen */
function write(page, bar, storage, chosen) {
  storage.setItem(KEPT, JSON.stringify(chosen));
  draw(page, bar, chosen);
  say(page, `${chosen.ids.length} selected`);
}

/** @param {Document} page @param {HTMLElement} bar @param {Chosen} chosen */
function draw(page, bar, chosen) {
  const ids = new Set(chosen.ids);
  for (const box of picks(page)) {
    box.checked = ids.has(box.value);
    box.closest("label").hidden = false;
  }
  page.querySelector("#pick-all")?.removeAttribute("hidden");
  bar.querySelector("#selected").textContent = `${ids.size} selected`;
  bar.hidden = ids.size === 0;
  problem(bar, "");
}

/** @param {HTMLElement} bar @param {string} text */
function problem(bar, text) {
  const note = /** @type {HTMLElement} */ (bar.querySelector("#export-problem"));
  note.textContent = text;
  note.hidden = !text;
}

/** @param {Document} page @param {HTMLElement} bar @param {HTMLFormElement} form @param {Chosen} chosen */
async function take(page, bar, form, chosen) {
  const said = new FormData(form);
  const format = String(said.get("format"));
  const token = page.querySelector("meta[name=csrf-token]")?.getAttribute("content");
  try {
    const answer = await fetch("/v1/exports", {
      method: "POST",
      headers: { "content-type": "application/json", ...(token ? { "x-csrf-token": token } : {}) },
      body: JSON.stringify({ format, fps: Number(said.get("fps")), space: chosen.space, moment_ids: chosen.ids }),
    });
    if (!answer.ok) {
      problem(bar, (await answer.json()).detail);
      return;
    }
    save(page, await answer.blob(), `rushes.${format}`);
    problem(bar, "");
    say(page, `${chosen.ids.length} exported`);
  } catch {
    problem(bar, "The service does not answer. It may be down, or this device is offline.");
  }
}

/** @param {Document} page @param {Blob} blob @param {string} name */
function save(page, blob, name) {
  const link = page.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
