"""The players of the web, for tests of streaming packages: their scripts, and how each loads a package."""

import os
from pathlib import Path

import pytest

from deploy.players import find
from deploy.promtool import default_cache

STARTS = {
    "hls.js": "url => { const hls = new Hls({enableWorker: false}); hls.loadSource(url + 'master.m3u8');"
    " hls.attachMedia(document.querySelector('video')); }",
    "dash.js": "url => { window.player = dashjs.MediaPlayer().create(); player.initialize("
    "document.querySelector('video'), url + 'manifest.mpd', false); }",
    "shaka": "async url => { window.player = new shaka.Player(); await player.attach(document.querySelector('video'));"
    " await player.load(url + 'manifest.mpd'); }",
    "shaka-hls": "async url => { window.player = new shaka.Player(); await player.attach("
    "document.querySelector('video')); await player.load(url + 'master.m3u8'); }",
}
"""How each loads a package."""
OFFERED = {
    "hls.js": "() => [...document.querySelector('video').textTracks].map(track => track.language)",
    "dash.js": "() => player.getTracksFor('text').map(track => track.lang)",
    "shaka": "() => player.getTextTracks().map(track => track.language)",
    "shaka-hls": "() => player.getTextTracks().map(track => track.language)",
}
"""The languages of the captions that each offers."""


def script_of(player: str) -> Path:
    """Skips on a laptop that does not have it, and fails where `CI=true`."""
    found = find(player.removesuffix("-hls"), default_cache())
    if found is not None:
        return found
    reason = f"the script of {player} is not here: run `python -m deploy.players`"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
