"""Bad input beside a good clip: every case ends in a readable dead letter and status, and the run goes on."""

import json
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.permissions import BOUND_BY_PERMISSIONS
from benchmarks.testbed.runs import (
    Finished,
    Row,
    finish,
    ingest,
    last_change,
    light_settings,
    published,
    run_events,
    rushes,
    start,
    stored_rows,
)
from sinks.dead_letters import DeadLetters, StoredDeadLetter
from sinks.query.catalogue import Catalogue
from stream.events.asset import AssetStatus
from stream.sessions.session import RawRecord
from stream.topology.codec import encode
from tests.support.programs import ROOT, program

FAULTS = {
    "missing.mp4": ("not_found", "no such file"),
    "empty.mp4": ("empty", "the file is empty"),
    "noise.mp4": ("unreadable_container", "not a video"),
    "no_header.mp4": ("unreadable_container", "header is missing or cut off"),
    "sound.m4a": ("no_video", "no video stream"),
    "denied.mp4": ("permission_denied", "denied.mp4"),
}
SECRET = "hunter2"


@dataclass(frozen=True, slots=True)
class Spoiled:
    """The files, the state directory, and the one run over them."""

    files: Path
    state: Path
    done: Finished
    denied: bool

    @property
    def assets(self) -> dict[str, Row]:
        return self.done.assets


def is_denied(path: Path) -> bool:
    """Whether a process that is bound by permissions cannot read the file."""
    read = [*BOUND_BY_PERMISSIONS, *program("open_file", path)]
    tried = subprocess.run(read, cwd=ROOT, capture_output=True, check=False)
    return b"PermissionError" in tried.stderr


def write_files(files: Path) -> None:
    good = write_clip(files / "good.mp4", seconds=12, fps=10, scenes=3, audio=True).path.read_bytes()
    (files / "whole.mp4").write_bytes(good)
    (files / "empty.mp4").touch()
    (files / "noise.mp4").write_bytes(random.Random(7).randbytes(50_000))
    (files / "no_header.mp4").write_bytes(good[: len(good) * 6 // 10])
    (files / "folder.mp4").mkdir()
    (files / "denied.mp4").write_bytes(good)
    (files / "denied.mp4").chmod(0)
    write_sound(files / "sound.m4a")
    fast_start = {"movflags": "+faststart"}
    long = write_clip(files / "long.mp4", seconds=45, fps=10, scenes=9, gop=20, container_options=fast_start)
    whole = long.path.read_bytes()
    (files / "cut_off.mp4").write_bytes(whole[: len(whole) * 55 // 100])


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        assert isinstance(stream, av.AudioStream)
        for number in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def last_frame_s(path: Path) -> float:
    """When the last frame that a plain decode yields is shown."""
    shown = 0.0
    with av.open(str(path)) as container:
        try:
            for frame in container.decode(video=0):
                assert frame.time is not None
                shown = frame.time
        except av.error.InvalidDataError:
            pass
    return shown


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Spoiled:
    root = tmp_path_factory.mktemp("spoiled")
    files = root / "files"
    files.mkdir()
    write_files(files)
    # A file uri that is typed says the same as its path.
    typed = [(files / "good.mp4").as_uri(), *(files / name for name in ("cut_off.mp4", "folder.mp4", *FAULTS))]
    arguments = ["ingest", *typed, "--light", "--json", "--span", 20]
    done = finish(start(root / "state", *arguments, through=BOUND_BY_PERMISSIONS))
    return Spoiled(files, root / "state", done, is_denied(files / "denied.mp4"))


def test_run_goes_on_and_says_that_something_failed(spoiled: Spoiled) -> None:
    assert spoiled.done.code == 1
    assert spoiled.done.document["finished"] is True
    assert spoiled.assets["good.mp4"]["status"] == "ready"
    assert spoiled.assets.keys() == {"good.mp4", "cut_off.mp4", *FAULTS}
    (unreadable,) = spoiled.done.document["unreadable"]
    assert unreadable == {"path": str(spoiled.files / "folder.mp4"), "reason": "no footage is in this folder"}
    assert "Traceback" not in spoiled.done.err


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_told_in_status_and_dead_letter(name: str, spoiled: Spoiled) -> None:
    if name == "denied.mp4" and not spoiled.denied:
        pytest.skip("this user reads every file whatever its mode, and may not give that up")
    code, words = FAULTS[name]
    told = spoiled.assets[name]
    assert (told["status"], told["code"]) == ("failed", code)
    assert words in told["reason"]
    assert name in told["reason"]
    (kept,) = [view for view in Catalogue(spoiled.state / "lancedb").assets() if view.asset_id == told["asset_id"]]
    assert (kept.status, kept.code, kept.reason) == (AssetStatus.FAILED, code, told["reason"])
    (stored,) = [
        item
        for item in DeadLetters(spoiled.state / "lancedb").listed()
        if item.dead_letter.asset_id == told["asset_id"]
    ]
    assert (stored.dead_letter.stage, stored.dead_letter.code) == ("plan", code)
    assert words in stored.dead_letter.message
    assert str(spoiled.files) not in stored.dead_letter.message


def test_cut_off_file_is_partial_with_its_missing_ranges(spoiled: Spoiled) -> None:
    shown_s = last_frame_s(spoiled.files / "cut_off.mp4")
    assert 20 < shown_s < 30
    told = spoiled.assets["cut_off.mp4"]
    assert (told["status"], told["segments"], told["segments_done"]) == ("partial", 5, 3)
    assert told["missing_s"] == [[30.0, 45.0]]
    assert told["code"] == "missing_frames"
    assert "00:00:30.000-00:00:45.000" in told["reason"]
    rows = stored_rows(spoiled.state)
    mine = rows.of(lambda row: row["asset_id"] == told["asset_id"]).ordered
    assert mine[-1]["end_ns"] == 30 * 10**9
    assert {row["segment"] for row in mine if row["damaged"]} == {2}


@pytest.fixture
def repairable(spoiled: Spoiled, tmp_path: Path) -> Path:
    """A folder with a file that lost its header and one that lost its end, and the files to put in their places."""
    files = tmp_path / "files"
    files.mkdir()
    for name in ("no_header.mp4", "cut_off.mp4"):
        shutil.copy(spoiled.files / name, files)
    return files


def letters_of(state: Path, path: Path) -> list[StoredDeadLetter]:
    return [item for item in DeadLetters(state / "lancedb").listed() if item.dead_letter.asset_id == str(path)]


def test_repaired_files_become_ready(repairable: Path, spoiled: Spoiled, tmp_path: Path) -> None:
    state = tmp_path / "state"
    no_header, cut_off = repairable / "no_header.mp4", repairable / "cut_off.mp4"
    assert ingest(state, repairable).code == 1
    (dead_letter,) = letters_of(state, no_header)
    still = rushes(state, "dead-letters", "replay", dead_letter.dead_letter.letter_id, "--json")
    assert still.code == 1
    assert still.assets["no_header.mp4"]["code"] == "unreadable_container"
    (again,) = letters_of(state, no_header)
    assert again.dead_letter.letter_id != dead_letter.dead_letter.letter_id
    assert again.replays == 1

    shutil.copy(spoiled.files / "whole.mp4", no_header)
    shutil.copy(spoiled.files / "long.mp4", cut_off)
    mended = rushes(state, "dead-letters", "replay", "--stage", "plan", "--json")
    assert mended.code == 0, mended.out
    assert mended.assets["no_header.mp4"]["status"] == "ready"
    assert letters_of(state, no_header) == []

    followed = rushes(state, "dead-letters", "replay", "--stage", "decode", "--json")
    assert followed.code == 0, "a letter holds a span of the file as it was; what it is now is planned instead"
    assert followed.assets["cut_off.mp4"]["status"] == "ready"
    assert followed.document["decoded_s"] == 45

    done = ingest(state, repairable)
    assert done.code == 0, done.out
    assert done.document["decoded_s"] == 0
    rows = stored_rows(state)
    assert max(row["end_ns"] for row in rows.ordered if row["asset_id"] == str(cut_off)) == 45 * 10**9
    assert rows.lance.keys() == rows.delta.keys()


def test_letters_are_listed_and_shown_without_their_content(spoiled: Spoiled) -> None:
    listed = rushes(spoiled.state, "dead-letters", "list", "--json").document
    assert {item["code"] for item in listed} >= {code for code, _ in FAULTS.values()} - {"permission_denied"}
    table = rushes(spoiled.state, "dead-letters", "list", "--code", "no_video")
    assert table.code == 0
    assert "no video stream" in table.out
    assert "no such file" not in table.out
    (dead_letter,) = [item for item in listed if item["code"] == "no_video"]
    shown = rushes(spoiled.state, "dead-letters", "show", dead_letter["letter_id"][:10])
    assert shown.document["code"] == "no_video"
    assert shown.document["what_to_do"] == "Publish the film that it belongs to."
    assert shown.document["value_bytes"] > 0
    assert "ce_type" in shown.document["header_names"]
    assert not {"value", "key", "headers"} & shown.document.keys()
    unknown = rushes(spoiled.state, "dead-letters", "show", "0123456789")
    assert unknown.code == 2
    assert "dead-letters list" in unknown.err


def headers_of(clip: Path, **changed: bytes) -> dict[str, bytes]:
    return dict(encode(published(clip)).headers) | changed


def test_events_that_make_no_sense_are_kept_as_letters(spoiled: Spoiled, tmp_path: Path) -> None:
    clip = spoiled.files / "good.mp4"
    settings = light_settings(tmp_path / "state", clip)
    body = json.dumps({"uri": str(clip), "token": SECRET}).encode()
    records = [
        RawRecord("assets", b"no-json", f"{{not json {SECRET}".encode(), headers_of(clip)),
        RawRecord("assets", b"no-fields", json.dumps({"token": SECRET}).encode(), headers_of(clip)),
        RawRecord("assets", b"no-type", body, headers_of(clip, ce_type=b"rushes.asset.renamed.v1")),
        RawRecord("assets", b"no-envelope", body, {}),
        RawRecord("assets", b"wrong-field", json.dumps({"uri": "", "token": SECRET}).encode(), headers_of(clip)),
    ]
    progress = run_events(settings, [published(clip)], records)
    assert last_change(progress, str(clip)).status is AssetStatus.READY
    store = DeadLetters(settings.index_dir)
    dead_letters = [store.show(item.dead_letter.letter_id) for item in store.listed()]
    found = {item.dead_letter.key: item.dead_letter for item in dead_letters if item is not None}
    assert {key: dead_letter.code for key, dead_letter in found.items()} == {
        b"no-json": "invalid_payload",
        b"no-fields": "invalid_payload",
        b"no-type": "unknown_type",
        b"no-envelope": "not_a_cloudevent",
        b"wrong-field": "invalid_payload",
    }
    assert "uri: Field required" in found[b"no-fields"].message
    assert "rushes.asset.renamed.v1" in found[b"no-type"].message
    assert all(dead_letter.value in {record.value for record in records} for dead_letter in found.values())
    assert not any(SECRET in dead_letter.message for dead_letter in found.values())
    shown = rushes(settings.state_dir, "dead-letters", "show", found[b"no-json"].letter_id)
    assert shown.code == 0
    assert SECRET not in shown.out + shown.err
    assert SECRET not in rushes(settings.state_dir, "dead-letters", "list", "--json").out
