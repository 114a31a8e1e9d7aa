// Counts beside the results. They come after the results, as nobody should wait for them.

/** @param {Document} page */
export function startCounts(page) {
  page.addEventListener("shown", () => load(page));
  load(page);
}

/** @param {Document} page */
function load(page) {
  const place = /** @type {HTMLElement | null} */ (page.querySelector("[data-counts]"));
  if (!place) {
    return;
  }
  const request = new XMLHttpRequest();
  request.open("GET", place.dataset.counts);
  request.responseType = "document";
  request.onload = () => {
    const found = request.response?.querySelector("#facets");
    // Where they cannot be had the link to them stays, and says why.
    if (found && place.isConnected) {
      place.replaceWith(page.adoptNode(found));
    }
  };
  request.send();
}
