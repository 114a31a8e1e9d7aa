"""What a replay may read is what the operator named, as it was then: never what a letter's path leads to now."""

import os
from pathlib import Path

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import ingest, rushes, stored_rows


def test_a_link_that_takes_the_place_of_a_broken_file_is_not_followed(tmp_path: Path) -> None:
    files, private, state = tmp_path / "files", tmp_path / "private", tmp_path / "state"
    files.mkdir()
    private.mkdir()
    secret = write_clip(private / "secret.mp4", seconds=2, fps=5, size=(64, 48)).path
    uploaded = [files / name for name in ("file.mp4", "absent.mp4", "relative.mp4", "inside.mp4")]
    for path in uploaded:
        path.write_bytes(b"no footage")
    assert ingest(state, files, *uploaded).code == 1
    for path in uploaded:
        path.unlink()
    uploaded[0].symlink_to(secret)
    uploaded[1].symlink_to(private / "nothing.mp4")
    uploaded[2].symlink_to("../private/secret.mp4")
    os.link(secret, files / "original.mp4")
    uploaded[3].symlink_to("original.mp4")

    again = rushes(state, "dead-letters", "replay", "--all", "--json")
    assert again.code == 1
    told = {name: (asset["status"], asset["code"]) for name, asset in again.assets.items()}
    left = dict.fromkeys(("file.mp4", "absent.mp4", "relative.mp4"), ("failed", "not_found"))
    assert told == left | {"inside.mp4": ("ready", None)}
    assert {Path(row["asset_id"]).name for row in stored_rows(state).ordered} == {"inside.mp4"}

    stated = rushes(state, "dead-letters", "replay", "--all", "--root", private, "--json")
    assert {name: asset["status"] for name, asset in stated.assets.items()} == {
        "file.mp4": "ready",
        "absent.mp4": "failed",
        "relative.mp4": "ready",
    }


def test_a_state_without_an_ingest_allows_nothing_by_itself(tmp_path: Path) -> None:
    """As one that workers of a cluster or an older version made."""
    clip, state = tmp_path / "late.mp4", tmp_path / "state"
    assert ingest(state, clip).code == 1
    write_clip(clip, seconds=2, fps=5, size=(64, 48))
    (state / "roots.json").unlink()
    refused = rushes(state, "dead-letters", "replay", "--all", "--json")
    (told,) = refused.document["assets"]
    assert (told["code"], "--root" in told["reason"]) == ("not_found", True)
    named = rushes(state, "dead-letters", "replay", "--all", "--root", tmp_path, "--json")
    assert [asset["status"] for asset in named.document["assets"]] == ["ready"]
