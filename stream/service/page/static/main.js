// Where the page comes alive. Without it everything works by plain links and one form.
import { startCompletion } from "./complete.js";
import { startCopy } from "./copy.js";
import { startCounts } from "./counts.js";
import { startKeys } from "./keys.js";
import { startPicture } from "./picture.js";
import { startPlayer } from "./player.js";
import { startProgress } from "./progress.js";
import { startScrub } from "./scrub.js";
import { startSearch } from "./search.js";
import { startSelection } from "./selection.js";
import { startUpload } from "./upload.js";
import { startWindow } from "./window.js";

startCompletion(document);
startSearch(document);
startPlayer(document);
startCounts(document);
startCopy(document);
startPicture(document);
startProgress(document);
startScrub(document);
startUpload(document);
startWindow(document);
startSelection(document, window.sessionStorage);
startKeys(document, window.localStorage);
