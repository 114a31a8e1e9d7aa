"""Streaming packages in Chromium, by the players that the web uses: the right picture at the right time, and sound."""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from tests.support.browser import chromium
from tests.support.delivered import delivered, operator_named
from tests.support.media_examples import film_with_sound, made, work
from tests.support.numbered_clips import number_in
from tests.support.players import STARTS, script_of

BASE = "https://cdn.example/package/"
_PAGE = "<!doctype html><video muted width=128 height=64></video>"
_AT = """async time => {
  const video = document.querySelector('video');
  const once = name => new Promise(done => video.addEventListener(name, done, {once: true}));
  if (!video.readyState) await once('loadedmetadata');
  const seeked = once('seeked');
  video.currentTime = time;
  await seeked;
  while (video.readyState < 2) await new Promise(done => setTimeout(done, 50));
  const canvas = document.createElement('canvas');
  canvas.width = 128; canvas.height = 64;
  const drawing = canvas.getContext('2d');
  drawing.drawImage(video, 0, 0, 128, 64);
  const rgba = drawing.getImageData(0, 0, 128, 64).data;
  return {
    luma: Array.from({length: 128 * 64}, (_, pixel) => rgba[4 * pixel + 1]),
    duration: video.duration, size: [video.videoWidth, video.videoHeight],
  };
}"""
_PLAYED = """async seconds => {
  const video = document.querySelector('video');
  video.currentTime = 0;
  await video.play();
  while (video.currentTime < seconds) await new Promise(done => setTimeout(done, 50));
  video.pause();
  return video.webkitAudioDecodedByteCount;
}"""
_TYPES = {"m3u8": "application/vnd.apple.mpegurl", "mpd": "application/dash+xml", "mp4": "video/mp4"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    folder = tmp_path_factory.mktemp("package")
    film = delivered(film_with_sound(folder)["source"], {"profile": "h264_web"}, folder / "film")
    operator = operator_named("package")
    return made(operator, work(operator, {}, {"source": film}, folder / "made"))


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


@pytest.mark.parametrize("player", sorted(STARTS))
def test_players_show_the_right_picture_at_each_time(
    browser: Browser, package: Mapping[str, bytes], player: str
) -> None:
    page = browser.new_page()
    serve(page, package)
    page.goto(BASE)
    page.add_script_tag(content=script_of(player).read_text())
    page.evaluate(STARTS[player], BASE)
    # dash.js 5.2 waits for ever where a paused film is sought in a fragment's last picture, in FFmpeg's packages too.
    for time in (0.02, 7.02, 3.5 if player == "dash.js" else 3.98, 10.9):
        shown = page.evaluate(_AT, time)
        number = number_in(np.array(shown["luma"], np.uint8).reshape(64, 128))
        assert number == int(time * 25)
    stated = re.search(r"RESOLUTION=(\d+)x(\d+)", package["master.m3u8"].decode())
    assert stated is not None
    assert shown["size"] == [int(side) for side in stated.groups()]
    lasts = re.search(r'mediaPresentationDuration="PT([\d.]+)S"', package["manifest.mpd"].decode())
    assert lasts is not None
    assert shown["duration"] == pytest.approx(float(lasts[1]), abs=0.05)
    assert page.evaluate(_PLAYED, 0.3) > 0, "no sound was decoded"
    page.unroute_all(behavior="wait")
    page.close()
