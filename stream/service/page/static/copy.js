// Buttons that copy what a field shows. Without a script it is selected and copied by hand.
import { say } from "./navigate.js";

/** @param {Document} page */
export function startCopy(page) {
  for (const button of page.querySelectorAll("[data-copy]")) {
    const place = /** @type {HTMLButtonElement} */ (button);
    const field = /** @type {HTMLInputElement} */ (page.getElementById(place.dataset.copy));
    place.hidden = false;
    place.addEventListener("click", async () => {
      field.select();
      try {
        await page.defaultView.navigator.clipboard.writeText(field.value);
        place.textContent = "Copied";
        say(page, "Copied");
      } catch {
        // Browsers give the clipboard to secure addresses only, and ask who uses it.
        place.textContent = "Press Ctrl+C";
        field.focus();
        say(page, "Selected: press Control and C");
      }
    });
  }
}
