// Shows another state of the page in place. The server renders it, as it does without a script.

/** What became of a request for a page. A later request ends an earlier one: that one is "replaced".
 * @typedef {"shown" | "replaced" | "offline"} Ending
 */

/** @type {XMLHttpRequest | null} */
let underWay = null;

/** Ask for the page of `url` and put its content in place of this one.
 * @param {Document} page
 * @param {string} url
 * @param {Blob | null} picture What to search by, if not by the address.
 * @returns {Promise<Ending>}
 */
export function show(page, url, picture = null) {
  underWay?.abort();
  const content = page.querySelector("#content");
  content.setAttribute("aria-busy", "true");
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    underWay = request;
    request.open(picture ? "POST" : "GET", url);
    const token = page.querySelector("meta[name=csrf-token]")?.getAttribute("content");
    if (picture && token) {
      request.setRequestHeader("x-csrf-token", token);
    }
    // The browser parses it without running any of it; text never becomes markup here (Trusted Types).
    request.responseType = "document";
    const end = (/** @type {Ending} */ ending) => {
      if (underWay === request) {
        underWay = null;
        content.removeAttribute("aria-busy");
      }
      resolve(ending);
    };
    request.onload = () => {
      const found = request.response?.querySelector("#content");
      if (found) {
        replace(page, request.response, found);
      } else {
        showOffline(page, url, "The service answered with something else than its page.");
      }
      end(found ? "shown" : "offline");
    };
    request.onerror = () => {
      showOffline(page, url, "The service does not answer. It may be down, or this device is offline.");
      end("offline");
    };
    request.onabort = () => end("replaced");
    request.send(picture);
  });
}

/** @param {Document} page @param {Document} other @param {Element} found */
function replace(page, other, found) {
  const focused = page.activeElement;
  const content = page.querySelector("#content");
  const inside = content.contains(focused);
  page.title = other.title;
  content.replaceChildren(...[...found.childNodes].map((node) => page.adoptNode(node)));
  page.dispatchEvent(new CustomEvent("shown"));
  say(page, content.querySelector("#summary, #failed-title")?.textContent ?? "");
  if (inside) {
    // What had the focus is gone: its successor has it, or else the content.
    const successor = focused.id ? page.getElementById(focused.id) : null;
    /** @type {HTMLElement} */ (successor ?? content).focus({ preventScroll: true });
  }
}

/** @param {Document} page @param {string} url @param {string} text */
function showOffline(page, url, text) {
  const section = page.createElement("section");
  section.className = "failed";
  section.dataset.problem = "offline";
  const title = page.createElement("h1");
  title.id = "failed-title";
  title.textContent = "No answer";
  const detail = page.createElement("p");
  detail.textContent = text;
  const ways = page.createElement("p");
  ways.className = "ways";
  const again = page.createElement("a");
  again.className = "button";
  again.id = "again";
  again.href = url;
  again.textContent = "Try again";
  ways.append(again);
  section.append(title, detail, ways);
  page.querySelector("#content").replaceChildren(section);
  say(page, `${title.textContent}. ${text}`);
}

/** Say it to a screen reader.
 * @param {Document} page @param {string} text
 */
export function say(page, text) {
  const status = page.querySelector("#status");
  if (status.textContent !== text) {
    status.textContent = text;
  }
}
