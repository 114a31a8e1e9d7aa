"""Streaming packages in Chromium, by the players that the web uses: the right picture at the right time, and sound."""

import re
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from benchmarks.testbed.waiting import wait_for
from stream.media.protocol import Settings
from tests.support.browser import chromium
from tests.support.delivered import delivered, operator_named
from tests.support.media_examples import film_with_sound, made, work
from tests.support.numbered_clips import number_in
from tests.support.players import OFFERED, STARTS, script_of

BASE = "https://cdn.example/package/"
_PAGE = "<!doctype html><video muted width=128 height=64></video>"
_SEEK = """async time => {
  const video = document.querySelector('video');
  const once = name => new Promise(done => video.addEventListener(name, done, {once: true}));
  if (!video.readyState) await once('loadedmetadata');
  const seeked = once('seeked');
  video.currentTime = time;
  await seeked;
  while (video.readyState < 2) await new Promise(done => setTimeout(done, 50));
}"""
_SHOWN = """() => {
  const canvas = document.createElement('canvas');
  canvas.width = 128; canvas.height = 64;
  const drawing = canvas.getContext('2d');
  drawing.drawImage(document.querySelector('video'), 0, 0, 128, 64);
  const rgba = drawing.getImageData(0, 0, 128, 64).data;
  return Array.from({length: 128 * 64}, (_, pixel) => rgba[4 * pixel + 1]);
}"""
_FACTS = """() => {
  const video = document.querySelector('video');
  return {duration: video.duration, size: [video.videoWidth, video.videoHeight]};
}"""
_PLAYED = """async seconds => {
  const video = document.querySelector('video');
  video.currentTime = 0;
  await video.play();
  while (video.currentTime < seconds) await new Promise(done => setTimeout(done, 50));
  video.pause();
  return video.webkitAudioDecodedByteCount;
}"""
_TYPES = {"m3u8": "application/vnd.apple.mpegurl", "mpd": "application/dash+xml", "mp4": "video/mp4", "vtt": "text/vtt"}
_CUES = """() => [...document.querySelector('video').textTracks].flatMap(track => {
  if (track.mode === 'disabled') track.mode = 'hidden';
  return [...(track.cues || [])].map(cue => [track.language, cue.startTime, cue.endTime, cue.text]);
})"""
_CAPTIONS = "WEBVTT\n\n00:01.000 --> 00:03.000\nA quiet word\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    folder = tmp_path_factory.mktemp("package")
    film = delivered(film_with_sound(folder)["source"], {"profile": "h264_web"}, folder / "film")
    operator = operator_named("package")
    (folder / "en.vtt").write_text(_CAPTIONS)
    settings: Settings = {"captions": [{"input": "en", "language": "en"}]}
    return made(operator, work(operator, settings, {"source": film, "en": folder / "en.vtt"}, folder / "made"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def serve(page: Page, package: Mapping[str, bytes]) -> None:
    """Answers requests for ranges as a web server does."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(BASE)
        if not name:
            route.fulfill(body=_PAGE, content_type="text/html")
            return
        if name not in package:
            route.fulfill(status=404)
            return
        data = package[name]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", route.request.headers.get("range", ""))
        kind = _TYPES[name.rsplit(".", maxsplit=1)[1]]
        if wanted is None:
            route.fulfill(body=data, content_type=kind)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(data) - 1), len(data) - 1)
        headers = {"content-range": f"bytes {first}-{last}/{len(data)}", "accept-ranges": "bytes", "content-type": kind}
        route.fulfill(status=206, body=data[first : last + 1], headers=headers)

    page.route("**/*", answer)


def shows(page: Page, number: int) -> bool:
    return number_in(np.array(page.evaluate(_SHOWN), np.uint8).reshape(64, 128)) == number


@pytest.mark.parametrize("player", sorted(STARTS))
def test_players_show_the_right_picture_at_each_time(
    browser: Browser, package: Mapping[str, bytes], player: str
) -> None:
    page = browser.new_page()
    serve(page, package)
    page.goto(BASE)
    page.add_script_tag(content=script_of(player).read_text())
    page.evaluate(STARTS[player], BASE)
    # None beside the edge of a fragment: where only the next one is there, Chromium shows its first picture for the two
    # before it, and dash.js 5.2 waits for ever. Every single picture is tried with libavformat.
    for time in (0.02, 7.02, 3.5, 10.9):
        page.evaluate(_SEEK, time)
        # A browser says that it has sought when it knows the picture, and shows it a little later.
        wait_for(partial(shows, page, int(time * 25)), f"the picture at {time} s is shown", within_s=10.0)
    stated = re.search(r"RESOLUTION=(\d+)x(\d+)", package["master.m3u8"].decode())
    assert stated is not None
    facts = page.evaluate(_FACTS)
    assert facts["size"] == [int(side) for side in stated.groups()]
    lasts = re.search(r'mediaPresentationDuration="PT([\d.]+)S"', package["manifest.mpd"].decode())
    assert lasts is not None
    assert facts["duration"] == pytest.approx(float(lasts[1]), abs=0.05)
    assert page.evaluate(_PLAYED, 0.3) > 0, "no sound was decoded"
    wait_for(lambda: page.evaluate(OFFERED[player]) == ["en"], "the captions are offered", within_s=10.0)
    if player == "hls.js":
        # Others show captions by layers of their own, once a person has chosen them.
        cues = [["en", 1.0, 3.0, "A quiet word"]]
        wait_for(lambda: page.evaluate(_CUES) == cues, "the captions have their times", within_s=10.0)
    page.unroute_all(behavior="wait")
    page.close()
