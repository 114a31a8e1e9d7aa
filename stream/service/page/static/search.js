// Results as one types, and links between states of the search page without a reload. Every state has its address.
import { unfinished } from "./complete.js";
import { say, show } from "./navigate.js";

const PAUSE_MS = 250;

/** @param {Document} page */
export function startSearch(page) {
  const view = page.defaultView;
  const form = /** @type {HTMLFormElement} */ (page.querySelector("form.box"));
  const box = /** @type {HTMLInputElement} */ (page.querySelector("#q"));
  let timer = 0;
  // While one types, states replace each other: back leads to what was before, not through every letter.
  let typing = false;
  let asked = box.value;

  /** @param {string} url @param {boolean} replacing */
  async function go(url, replacing) {
    view.clearTimeout(timer);
    asked = box.value;
    if (replacing) {
      view.history.replaceState(null, "", url);
    } else if (url !== view.location.pathname + view.location.search) {
      view.history.pushState(null, "", url);
    }
    say(page, "Searching");
    const ending = await show(page, url);
    if (ending === "shown" && !replacing) {
      view.scrollTo(0, 0);
    }
  }

  function typed() {
    if (unfinished(box)) {
      return;
    }
    go(address(form, page), typing);
    typing = true;
  }

  box.addEventListener("input", () => {
    view.clearTimeout(timer);
    timer = view.setTimeout(typed, PAUSE_MS);
  });
  box.addEventListener("settled", () => box.value !== asked && typed());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(address(form, page), typing);
    typing = false;
  });
  page.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("a");
    if (!link || !plain(event) || link.origin !== view.location.origin || link.pathname !== "/" || link.hash) {
      return;
    }
    event.preventDefault();
    typing = false;
    adopt(form, link.href);
    go(link.pathname + link.search, false);
  });
  view.addEventListener("popstate", () => {
    typing = false;
    adopt(form, view.location.href);
    show(page, view.location.pathname + view.location.search);
  });
  view.addEventListener("online", () => {
    if (page.querySelector("[data-problem=offline]")) {
      show(page, view.location.pathname + view.location.search);
    }
  });
}

/** The address of what the form says. Likeness gives way to words.
 * @param {HTMLFormElement} form @param {Document} page
 */
function address(form, page) {
  const said = new URLSearchParams(page.defaultView.location.search);
  const kept = new URLSearchParams();
  const text = /** @type {HTMLInputElement} */ (form.elements.namedItem("q")).value.trim();
  if (text) {
    kept.set("q", text);
  }
  for (const name of ["view", "group", "sort"]) {
    if (said.has(name)) {
      kept.set(name, said.get(name));
    }
  }
  const query = kept.toString();
  return query ? `/?${query}` : "/";
}

/** The box says what the address says.
 * @param {HTMLFormElement} form @param {string} href
 */
function adopt(form, href) {
  const box = /** @type {HTMLInputElement} */ (form.elements.namedItem("q"));
  box.value = new URL(href).searchParams.get("q") ?? "";
}

/** Whether a click means to go there in this window.
 * @param {MouseEvent} event
 */
function plain(event) {
  return event.button === 0 && !event.defaultPrevented && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}
