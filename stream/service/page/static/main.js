// Where the page comes alive. Without it everything works by plain links and one form.
import { startKeys } from "./keys.js";
import { startSearch } from "./search.js";

startSearch(document);
startKeys(document, window.localStorage);
