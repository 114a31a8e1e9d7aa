// Filters in the box are completed: their names, and values that there are. The box becomes a combobox by the ARIA
// Authoring Practices (list, nothing chosen by itself); without a script it is a plain field.
import { say } from "./navigate.js";

const MOST = 12;
const KEY = /^([a-z-]+):/;

/** `text` takes the place of what is being typed; `more`: the value of a filter is still to come.
 * @typedef {{text: string, about: string, more: boolean}} Suggestion
 * @typedef {{text: string, start: number, end: number}} Piece
 */

/** @param {Document} page */
export function startCompletion(page) {
  new Completion(page);
}

/** Whether the box holds a filter whose value is being chosen: what it finds now nobody asked for.
 * @param {HTMLInputElement} box
 */
export function unfinished(box) {
  const piece = pieceOf(box);
  const name = KEY.exec(piece.text)?.[0];
  return name !== undefined && isName(box, name) && (piece.text === name || box.getAttribute("aria-expanded") === "true");
}

class Completion {
  /** @param {Document} page */
  constructor(page) {
    this.page = page;
    this.box = /** @type {HTMLInputElement} */ (page.querySelector("#q"));
    /** @type {Map<string, Promise<Suggestion[]>>} */
    this.known = new Map();
    /** @type {Suggestion[]} */
    this.offered = [];
    this.active = -1;
    this.turn = 0;
    this.list = page.createElement("ul");
    this.list.id = "suggestions";
    this.list.hidden = true;
    attributes(this.list, { role: "listbox", "aria-label": "Filters" });
    this.box.after(this.list);
    attributes(this.box, { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "suggestions" });
    this.box.addEventListener("input", () => this.offer(false));
    this.box.addEventListener("keydown", (event) => this.press(event));
    this.box.addEventListener("blur", () => this.close(true));
    // Before the box loses the focus to the list.
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const at = [...this.list.children].indexOf(/** @type {Element} */ (event.target).closest("li"));
      if (at >= 0) {
        this.take(at);
      }
    });
  }

  /** Show what fits what is being typed; with `all` also where nothing is.
   * @param {boolean} all
   */
  async offer(all) {
    const { box } = this;
    const turn = ++this.turn;
    const piece = pieceOf(box);
    const found = await this.suggestions(piece, all);
    // Meanwhile more was typed, or the list was closed.
    if (turn !== this.turn || this.page.activeElement !== box) {
      return;
    }
    this.offered = found.slice(0, MOST);
    // What is whole needs no completion.
    if (!this.offered.length || (this.offered.length === 1 && this.offered[0].text === piece.text)) {
      this.close(true);
      return;
    }
    this.list.replaceChildren(...this.offered.map((item, index) => option(this.page, item, index)));
    this.choose(-1);
    this.list.hidden = false;
    box.setAttribute("aria-expanded", "true");
    say(this.page, `${this.offered.length} ${this.offered.length === 1 ? "suggestion" : "suggestions"}`);
  }

  /** @param {Piece} piece @param {boolean} all @returns {Promise<Suggestion[]>} */
  async suggestions(piece, all) {
    const name = KEY.exec(piece.text)?.[1];
    if (name === undefined) {
      const names = [...this.page.querySelectorAll("#filter-names option")].map((item) => nameOf(/** @type {HTMLOptionElement} */ (item)));
      return piece.text || all ? names.filter((item) => item.text.startsWith(piece.text.toLowerCase())) : [];
    }
    if (!isName(this.box, `${name}:`)) {
      return [];
    }
    const wanted = piece.text.slice(name.length + 1).replace(/^"/, "").toLowerCase();
    const values = await this.values(name, piece);
    return values.filter((item) => item.text.slice(name.length + 1).toLowerCase().includes(wanted));
  }

  /** What there is, asked for once. @param {string} name @param {Piece} piece */
  values(name, piece) {
    const { value } = this.box;
    const others = value.slice(0, piece.start) + value.slice(piece.end);
    const url = `/completions?${new URLSearchParams({ key: name, q: others.trim() })}`;
    if (!this.known.has(url)) {
      this.known.set(url, load(url));
    }
    return this.known.get(url);
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const open = !this.list.hidden;
    const acts = {
      ArrowDown: () => (open ? this.choose(event.altKey ? -1 : (this.active + 1) % this.offered.length) : this.offer(true)),
      ArrowUp: open && (() => this.choose((this.active < 1 ? this.offered.length : this.active) - 1)),
      Enter: open && this.active >= 0 && (() => this.take(this.active)),
      Escape: open && (() => this.close(true)),
    };
    const act = acts[event.key];
    if (act && !event.isComposing) {
      event.preventDefault();
      act();
    } else if (event.key === "Enter") {
      this.close(false);
    }
  }

  /** @param {number} at */
  choose(at) {
    this.active = at;
    [...this.list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    if (at < 0) {
      this.box.removeAttribute("aria-activedescendant");
    } else {
      this.box.setAttribute("aria-activedescendant", this.list.children[at].id);
      this.list.children[at].scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {number} at */
  take(at) {
    const { text, more } = this.offered[at];
    const { start, end } = pieceOf(this.box);
    this.close(false);
    this.box.setRangeText(more ? text : `${text} `, start, end, "end");
    // The search listens to what is typed.
    this.box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** @param {boolean} search Whether what was held back is searched now. */
  close(search) {
    const open = !this.list.hidden;
    this.turn += 1;
    this.list.hidden = true;
    this.box.setAttribute("aria-expanded", "false");
    this.choose(-1);
    if (open && search) {
      this.box.dispatchEvent(new CustomEvent("settled"));
    }
  }
}

/** What is being typed: from the last blank that is not within quotes, to the end of the word.
 * @param {HTMLInputElement} box @returns {Piece}
 */
function pieceOf(box) {
  const at = box.selectionStart ?? box.value.length;
  const [text] = /(?:[a-z-]+:"[^"]*"?|\S*)$/.exec(box.value.slice(0, at));
  return { text, start: at - text.length, end: at + /^\S*/.exec(box.value.slice(at))[0].length };
}

/** @param {HTMLInputElement} box @param {string} name */
function isName(box, name) {
  return [...box.ownerDocument.querySelectorAll("#filter-names option")].some((item) => /** @type {HTMLOptionElement} */ (item).value === name);
}

/** @param {HTMLOptionElement} item @returns {Suggestion} */
function nameOf(item) {
  return { text: item.value, about: item.label, more: true };
}

/** @param {Document} page @param {Suggestion} item @param {number} index */
function option(page, item, index) {
  const line = page.createElement("li");
  line.id = `suggestion-${index}`;
  line.setAttribute("role", "option");
  const text = page.createElement("code");
  text.textContent = item.text;
  const about = page.createElement("span");
  about.textContent = item.about;
  line.append(text, " ", about);
  return line;
}

/** None where they cannot be had: the box works without them.
 * @param {string} url @returns {Promise<Suggestion[]>}
 */
async function load(url) {
  try {
    const answer = await fetch(url);
    const found = answer.ok ? await answer.json() : [];
    return found.map((/** @type {{text: string, count: number}} */ item) => ({ text: item.text, about: String(item.count), more: false }));
  } catch {
    return [];
  }
}

/** @param {Element} element @param {Record<string, string>} values */
function attributes(element, values) {
  Object.entries(values).forEach(([name, value]) => element.setAttribute(name, value));
}
