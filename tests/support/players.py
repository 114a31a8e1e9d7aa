"""The players of the web, for tests of streaming packages: one file of each, by pinned version and digest."""

from deploy.npm_file import NpmFile

PLAYERS = {
    "hls.js": NpmFile(
        package="hls.js",
        version="1.7.4",
        sha256="e4ab3d5d13f7cca9ef241d098f39686e19fd451831ba07dc9943482fd5ff75c7",
        member="package/dist/hls.min.js",
        kept="hls.js-1.7.4/hls.min.js",
    ),
    "dash.js": NpmFile(
        package="dashjs",
        version="5.2.1",
        sha256="4eacb0cc3525276666ca3f084611cdabb5a2264d128dfe0750fe106fbddd088f",
        member="package/dist/modern/umd/dash.all.min.js",
        kept="dashjs-5.2.1/dash.all.min.js",
    ),
    "shaka": NpmFile(
        package="shaka-player",
        version="5.2.12",
        sha256="0c09816ea0b1399434bb6423b6a955f22e75b1886e4d394934ec73b9b38e3018",
        member="package/dist/shaka-player.compiled.js",
        kept="shaka-player-5.2.12/shaka-player.compiled.js",
    ),
}
STARTS = {
    "hls.js": "url => { const hls = new Hls({enableWorker: false}); hls.loadSource(url + 'master.m3u8');"
    " hls.attachMedia(document.querySelector('video')); }",
    "dash.js": "url => dashjs.MediaPlayer().create().initialize("
    "document.querySelector('video'), url + 'manifest.mpd', false)",
    "shaka": "async url => { const player = new shaka.Player(); await player.attach(document.querySelector('video'));"
    " await player.load(url + 'manifest.mpd'); }",
    "shaka-hls": "async url => { const player = new shaka.Player(); await player.attach("
    "document.querySelector('video')); await player.load(url + 'master.m3u8'); }",
}
"""How each loads a package."""
