"""Hostile and unlucky sources beside good ones, end to end; and what a replay makes of them once they are mended."""

import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import last_change, light_settings, published, run_events, rushes
from decoders.sandbox.pool import DecodePool
from sinks.dead_letters import DeadLetters
from stream.cli.options.chosen_models import remember_models
from stream.events.asset import AssetStatus
from stream.pipelines.settings import ModelChoice
from tests.support import forgeries
from tests.support.http_servers import serving

ROW = 45
"""More than twice the records after which unexpected errors would stop a stage."""


@dataclass
class Shelf:
    """What the server has: content by name; `stalled` names never get an answer, or only half of one."""

    content: dict[str, bytes] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    address: str = ""


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()

    class Requests(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gives
            pass

        def do_GET(self) -> None:
            name = self.path.partition("?")[0].lstrip("/")
            if name == "stall.mp4":
                shelf.over.wait(30)
                return
            content = shelf.content.get(name)
            if content is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            start, end = (int(part) for part in self.headers["Range"].removeprefix("bytes=").split("-"))
            body = content[start : end + 1]
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if name == "half.mp4" and len(body) > 1:
                self.wfile.write(body[: len(body) // 2])
                shelf.over.wait(30)
            else:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    with serving(server):
        shelf.address = f"http://127.0.0.1:{server.server_port}"
        yield shelf
        shelf.over.set()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells."""
    path = tmp_path_factory.mktemp("hostile") / "good.mp4"
    return write_clip(path, seconds=12, fps=5, gop=10, size=(64, 48), scenes=3).path


def write_hostile(files: Path, good: bytes) -> dict[str, str]:
    """Uris and the codes they must end with."""
    (files / "tracks.mp4").write_bytes(forgeries.with_many_tracks(good, 10_000))
    mov = write_clip(files / "whole.mov", seconds=3, fps=5, codec="mpeg4", size=(64, 48)).path
    (files / "reference.mov").write_bytes(forgeries.with_reference(mov.read_bytes(), forgeries.alias_reference(mov)))
    (files / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:10,\n{(files / 'whole.mov').as_uri()}\n#EXT-X-ENDLIST\n")
    (files / "concat.mp4").write_text("ffconcat version 1.0\nfile whole.mov\n")
    os.mkfifo(files / "fifo.mp4")
    (files / "escape.mp4").symlink_to("/etc/hostname")
    codes = {
        "tracks.mp4": "too_many_streams",
        "reference.mov": "no_frames",
        "list.mp4": "unreadable_container",
        "concat.mp4": "unreadable_container",
        "fifo.mp4": "not_a_file",
        "escape.mp4": "not_found",
        "../../../../../../../../etc/hostname": "not_found",
    }
    found = {str(files / name): code for name, code in codes.items()}
    for number in range(ROW):
        (files / f"noise{number}.mp4").write_bytes(random.Random(number).randbytes(2000))
        found[str(files / f"noise{number}.mp4")] = "unreadable_container"
    return found


def test_a_long_row_of_bad_sources_ends_and_its_neighbours_are_ready(clip: Path, shelf: Shelf, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    good = clip.read_bytes()
    expected = write_hostile(files, good)
    shelf.content |= {"good.mp4": good, "half.mp4": good}
    expected |= {
        f"{shelf.address}/absent.mp4?token=hunter2": "not_found",
        f"{shelf.address}/stall.mp4": "http_stalled",
        f"{shelf.address}/half.mp4": "http_stalled",
        "cache:http://127.0.0.1/a.mp4": "scheme_not_allowed",
        "subfile,,start,0,end,0,,:file:///etc/hostname": "scheme_not_allowed",
        "file:///proc/self/environ": "not_found",
    }
    settings = light_settings(
        tmp_path / "state", files, clip, allow_private_addresses=True, source_silence_s=0.5, source_request_s=2.0
    )
    ready = [str(clip), f"{shelf.address}/good.mp4"]
    names = [*list(expected)[:20], ready[0], *list(expected)[20:], ready[1]]
    progress = run_events(settings, [published(uri, asset_id=f"asset {at}") for at, uri in enumerate(names)])
    found = {uri: last_change(progress, f"asset {at}") for at, uri in enumerate(names)}
    assert {uri: found[uri].status for uri in ready} == dict.fromkeys(ready, AssetStatus.READY)
    assert {uri: found[uri].code for uri in expected} == expected
    assert all(found[uri].status is AssetStatus.FAILED and found[uri].reason for uri in expected)
    dead_letters = {item.dead_letter.asset_id: item.dead_letter for item in DeadLetters(settings.index_dir).listed()}
    assert {dead_letter.asset_id: dead_letter.code for dead_letter in dead_letters.values()} == {
        f"asset {at}": expected[uri] for at, uri in enumerate(names) if uri in expected
    }
    assert not any("hunter2" in dead_letter.message for dead_letter in dead_letters.values())


def test_missing_sources_are_ready_after_they_came_and_were_replayed(clip: Path, shelf: Shelf, tmp_path: Path) -> None:
    state, missing, url = tmp_path / "state", tmp_path / "late.mp4", f"{shelf.address}/late.mp4?sig=hunter2"
    failed = rushes(state, "ingest", missing, url, "--private-network", "--light", "--json")
    assert failed.code == 1, failed.err
    assert [asset["code"] for asset in failed.document["assets"]] == ["not_found", "not_found"]
    assert "hunter2" not in failed.out + failed.err
    missing.write_bytes(clip.read_bytes())
    shelf.content["late.mp4"] = clip.read_bytes()
    mended = rushes(state, "dead-letters", "replay", "--code", "not_found", "--private-network", "--json")
    assert mended.code == 0, mended.out + mended.err
    assert [asset["status"] for asset in mended.document["assets"]] == ["ready", "ready"]
    assert mended.document["decoded_s"] == 24


def decode_with(monkeypatch: pytest.MonkeyPatch, rogue: str) -> None:
    """Pools that are made from now on have this one of `tests.support.rogue_decoders` in their children."""
    defaults = DecodePool.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "decoder", f"tests.support.rogue_decoders:{rogue}")


def test_a_decoder_that_hung_costs_its_cell_until_the_replay(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    with monkeypatch.context() as patched:
        decode_with(patched, "Hanging")
        progress = run_events(light_settings(state, clip, decode_limit_s=2.0), [published(clip)])
    change = last_change(progress, str(clip))
    assert (change.status, change.code, change.segments_done) == (AssetStatus.PARTIAL, "decoder_hung", 1)
    assert change.missing_ns == ((10 * 10**9, 12 * 10**9),)
    (item,) = DeadLetters(light_settings(state).index_dir).listed()
    assert (item.dead_letter.stage, item.dead_letter.code, item.dead_letter.attempts) == ("decode", "decoder_hung", 4)
    remember_models(state, ModelChoice.light())
    mended = rushes(state, "dead-letters", "replay", "--code", "decoder_hung", "--root", clip, "--json")
    assert mended.code == 0, mended.out + mended.err
    assert mended.assets["good.mp4"]["status"] == "ready"


@pytest.mark.parametrize(
    ("decoder", "code", "attempts"), [("Dying", "decoder_died", 4), ("Greedy", "decoder_out_of_memory", 1)]
)
def test_a_decoder_that_dies_or_eats_memory_costs_its_cell(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: str, code: str, attempts: int
) -> None:
    decode_with(monkeypatch, decoder)
    settings = light_settings(tmp_path / "state", clip)
    change = last_change(run_events(settings, [published(clip)]), str(clip))
    assert (change.status, change.code, change.segments_done) == (AssetStatus.PARTIAL, code, 1)
    (item,) = DeadLetters(settings.index_dir).listed()
    assert (item.dead_letter.code, item.dead_letter.attempts) == (code, attempts)
    assert "good.mp4" in item.dead_letter.message
