// Where the page comes alive. Without it everything works by plain links and one form.
import { startKeys } from "./keys.js";
import { startPlayer } from "./player.js";
import { startSearch } from "./search.js";

startSearch(document);
startPlayer(document);
startKeys(document, window.localStorage);
