"""Every command over a state directory that other processes made, each in a process of its own."""

import csv
import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import Finished, Row, StoredRows, ingest, rushes, stored_rows
from sinks.lance.live_rows import LIVE_FIELDS

TIMECODE = "09:59:59:12"
COLOURS = {"crimson.mp4": (200, 30, 30), "forest.mp4": (30, 190, 40), "ocean.mp4": (30, 40, 200)}


@dataclass(frozen=True, slots=True)
class Library:
    """Three clips of one colour each, and one with scenes; a state directory that holds them."""

    files: Path
    state: Path

    def run(self, *arguments: object) -> Finished:
        done = rushes(self.state, *arguments)
        assert "Traceback" not in done.err
        return done

    def found(self, *arguments: object) -> list[Row]:
        """Hits of `search … --json`."""
        done = self.run("search", *arguments, "--json")
        assert done.code == 0, done.err
        hits: list[Row] = done.document
        return hits


def write_colour(path: Path, colour: tuple[int, int, int], timecode: str | None = None) -> Path:
    """12 s of one colour that grows a little brighter; film with a time code track, if one is given."""
    rate = 24 if timecode else 5
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.metadata.update({"timecode": timecode} if timecode else {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(12 * rate):
            pixels = np.full((96, 160, 3), colour, np.uint8) + np.uint8(number * 5 // rate // 4)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    root = tmp_path_factory.mktemp("library")
    (root / "a").mkdir()
    (root / "b").mkdir()
    for name, colour in COLOURS.items():
        folder = "b" if name == "ocean.mp4" else "a"
        write_colour(root / folder / name, colour, TIMECODE if name == "forest.mp4" else None)
    write_clip(root / "b" / "scenes.mp4", seconds=15, fps=10, scenes=[4.0, 7.0, 4.0])
    first = ingest(root / "state", root / "a", "--project", "north", "--label", "crew=one", "--label", "day=3")
    second = ingest(root / "state", root / "b", "--project", "south", "--label", "crew=two", "--captioner", "hashing")
    assert (first.code, second.code) == (0, 0)
    assert sorted([*first.assets, *second.assets]) == sorted([*COLOURS, "scenes.mp4"])
    return Library(root, root / "state")


@pytest.fixture
def copied(library: Library, tmp_path: Path) -> Library:
    """The same library in a state directory that a test may change."""
    shutil.copytree(library.state, tmp_path / "state")
    return Library(library.files, tmp_path / "state")


def name_of(hit: Row) -> str:
    return str(hit["uri"]).rsplit("/", 1)[-1]


def test_words_find_colours(library: Library) -> None:
    for word, name in (("red", "crimson.mp4"), ("green", "forest.mp4"), ("blue", "ocean.mp4")):
        hits = library.found(word, "--limit", 3)
        assert name_of(hits[0]) == name
        assert [hit["score"] for hit in hits[:1]] == [max(hit["score"] for hit in hits)]
        assert hits[0]["why"]


def test_filters_narrow_the_answer(library: Library) -> None:
    everywhere = {name_of(hit) for hit in library.found("red", "--limit", 50)}
    assert everywhere == {*COLOURS, "scenes.mp4"}
    assert {name_of(hit) for hit in library.found("red", "--project", "south")} == {"ocean.mp4", "scenes.mp4"}
    labelled = library.found("red", "--label", "crew=one", "--label", "day=3")
    assert {name_of(hit) for hit in labelled} == {"crimson.mp4", "forest.mp4"}
    assert all(set(hit["labels"]) == {"crew=one", "day=3"} for hit in labelled)
    assert library.found("red", "--label", "crew=one", "--tenant", "nobody") == []
    late = library.found("red", "--from", 10, "--no-group", "--limit", 50)
    assert late
    assert all(hit["end_s"] > 10 for hit in late)


def test_hits_of_one_shot_are_joined_unless_asked(library: Library) -> None:
    grouped = [hit for hit in library.found("red", "--limit", 50) if name_of(hit) == "scenes.mp4"]
    alone = [hit for hit in library.found("red", "--limit", 50, "--no-group") if name_of(hit) == "scenes.mp4"]
    assert sorted((hit["start_s"], hit["end_s"]) for hit in grouped) == [(0.0, 4.0), (4.0, 11.0), (11.0, 15.0)]
    assert sorted((hit["start_s"], hit["end_s"]) for hit in alone) == [(0, 4), (4, 10), (10, 11), (11, 15)]


def test_image_finds_its_clip(library: Library, tmp_path: Path) -> None:
    with av.open(str(library.files / "b" / "scenes.mp4")) as container:
        frame = next(frame for frame in container.decode(video=0) if frame.time is not None and frame.time >= 6)
    Image.fromarray(frame.to_ndarray(format="rgb24")).save(tmp_path / "frame.png")
    best, *_ = library.found("--image", tmp_path / "frame.png")
    assert name_of(best) == "scenes.mp4"
    assert best["start_s"] <= 6 < best["end_s"]
    refused = library.run("search", "--image", library.files / "a" / "crimson.mp4")
    assert refused.code == 2
    assert "cannot be shown" in refused.err


def test_answers_leave_as_table_and_files(library: Library, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    table = library.run("search", "green", "--limit", 2, "--html", sheet)
    assert table.code == 0
    assert "forest.mp4" in table.out
    assert "00:00:00.000" in table.out
    page = sheet.read_text()
    assert "forest.mp4" in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert not re.search(r"""(src|href)=["']?(https?:|//|file:)""", page)
    rows = list(csv.DictReader(io.StringIO(library.run("search", "green", "--export", "csv").out)))
    assert rows[0]["uri"].endswith("forest.mp4")
    edl = library.run("search", "green", "--limit", 2, "--export", "edl").out
    assert edl.startswith("TITLE:")
    assert "* FROM CLIP NAME: forest.mp4" in edl
    assert f" C        {TIMECODE} 10:00:" in edl, "the source's own time code"
    exported = json.loads(library.run("search", "green", "--limit", 2, "--export", "json").out)
    assert exported == library.found("green", "--limit", 2)
    assert library.run("search", "green", "--export", "docx").code == 2


def test_status_and_moments_tell_what_is_there(library: Library) -> None:
    status = library.run("status", "--json").document
    assert {name_of(asset): asset["status"] for asset in status} == dict.fromkeys([*COLOURS, "scenes.mp4"], "ready")
    assert all(asset["searchable"] for asset in status)
    moments = library.run("moments", "--json").document
    assert {moment["moment_id"] for moment in moments} == stored_rows(library.state).lance.keys()
    methods = {name_of(moment): moment["caption_method"] for moment in moments}
    assert methods == {
        "crimson.mp4": "template",
        "forest.mp4": "template",
        "ocean.mp4": "hashing",
        "scenes.mp4": "hashing",
    }
    assert "scenes.mp4" in library.run("status").out
    assert "picture (hashing)" in library.run("moments").out


def test_ingest_again_decodes_nothing_and_says_so(library: Library) -> None:
    again = rushes(library.state, "ingest", library.files / "a", "--light", "--project", "north", "--label", "crew=one")
    assert again.code == 0
    assert "Nothing was decoded" in again.out


def without_live_columns(rows: StoredRows) -> list[Row]:
    names = {field.name for field in LIVE_FIELDS}
    return [{name: value for name, value in row.items() if name not in names} for row in rows.ordered]


def test_lost_stores_are_rebuilt_from_each_other(copied: Library) -> None:
    before = stored_rows(copied.state)
    shutil.rmtree(copied.state / "parquet")
    lost = copied.run("verify", "--json")
    assert lost.code == 1
    assert lost.document["agrees"] is False
    assert lost.document["spaces"][0]["missing_in_delta"] == len(before.lance)
    assert copied.run("verify", "--repair", "delta").code == 0
    assert stored_rows(copied.state) == before

    shutil.rmtree(copied.state / "lancedb")
    assert copied.run("verify", "--repair", "lance", "--json").document["agrees"] is True
    after = stored_rows(copied.state)
    assert after.delta == before.delta
    # Labels that an asset was given later are lost with the index: search shows those of the rows.
    assert all(row["visible"] and row["live_labels"] == row["labels"] for row in after.lance.values())
    assert without_live_columns(after) == without_live_columns(before)
    assert name_of(copied.found("blue")[0]) == "ocean.mp4"
    again = ingest(copied.state, copied.files / "a")
    assert again.document["decoded_s"] == 0
    assert copied.run("verify", "--repair", "paper").code == 2


def test_a_space_is_chosen_and_dropped(copied: Library) -> None:
    listed = copied.run("spaces", "list", "--json").document
    (space,) = listed["spaces"]
    assert (space["spec"], space["used"]) == ("hashing", True)
    assert "hashing" in listed["families"]["embedder"]
    assert copied.run("models", "list", "--json").document == listed, "the former name of the group still works"
    assert copied.run("spaces", "use", space["key"][:10]).code == 0
    assert copied.run("spaces", "use", "nothing").code == 2
    assert copied.run("spaces", "drop", space["key"]).code == 0
    rows = stored_rows(copied.state)
    assert (rows.lance, rows.delta) == ({}, {})
    empty = copied.run("search", "red")
    assert empty.code == 2
    assert "ingest" in empty.err
    again = ingest(copied.state, copied.files / "a")
    assert again.document["decoded_s"] == 24
    assert name_of(copied.found("red")[0]) == "crimson.mp4"


def test_commands_that_need_no_footage(tmp_path: Path) -> None:
    state, cache = tmp_path / "state", tmp_path / "cache"
    text = rushes(state, "topology")
    assert (text.code, "understand" in text.out) == (0, True)
    drawn = rushes(state, "topology", "--mermaid")
    assert drawn.out.startswith("flowchart")
    weights = rushes(state, "weights", "list", "--json", cache=cache)
    assert {"transnetv2", "open-nsfw"} <= {row["name"] for row in weights.document}
    assert not any(row["present"] for row in weights.document)
    samples = rushes(state, "samples", "list", "--json", cache=cache)
    assert all(row["licence"] for row in samples.document)
    doctor = rushes(state, "doctor", "--broker", "kafka://127.0.0.1:1", "--json", cache=cache)
    assert doctor.code == 1
    missing = {check["name"]: check["advice"] for check in doctor.document if not check["good"]}
    assert "rushes kafka up" in missing.pop("broker listens")
    assert {*missing.values()} == {"run `rushes weights fetch`"}
    assert rushes(state, "status", "--json").document == []
    nothing = rushes(state, "search", "red")
    assert nothing.code == 2
    assert "rushes ingest" in nothing.err
    assert not state.exists(), "looking makes nothing"


def test_footage_in_another_store_needs_its_scheme_named(library: Library, tmp_path: Path) -> None:
    uri = f"local://{library.files / 'a' / 'crimson.mp4'}"  # fsspec's own name for this machine's files
    state = tmp_path / "state"
    refused = ingest(state, uri)
    assert (refused.code, {item["code"] for item in refused.document["assets"]}) == (1, {"scheme_not_allowed"})
    replayed = rushes(state, "dead-letters", "replay", "--all", "--scheme", "local", "--json")
    assert (replayed.code, [item["status"] for item in replayed.document["assets"]]) == (0, ["ready"])
    assert ingest(tmp_path / "another", uri, "--scheme", "local").code == 0
    elsewhere = rushes(state, "dead-letters", "replay", "--all", "--scheme", "local", "--broker", "kafka://127.0.0.1:1")
    assert (elsewhere.code, "--scheme" in elsewhere.err) == (2, True)


def test_thumbnails_show_the_clip(library: Library) -> None:
    for row in stored_rows(library.state).ordered:
        name = name_of(row)
        if name in COLOURS:
            with Image.open(io.BytesIO(row["thumbnail"])) as picture:
                mean = np.asarray(picture.convert("RGB"), float).mean((0, 1))
            assert int(np.argmax(mean)) == int(np.argmax(COLOURS[name]))
