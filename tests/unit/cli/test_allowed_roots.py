"""What an operator allows: as it was when it was said, and nothing that a folder's owner does later."""

from pathlib import Path

import pytest

from stream.cli.context import UsageProblem
from stream.cli.options.roots import ROOTS_FILE, Roots, forget_roots, remember_roots, remembered_roots, roots_of_buckets
from stream.cli.options.uris import expand


def test_folders_are_resolved_when_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = Roots.named(
        [str(tmp_path / "link"), (tmp_path / "link").as_uri(), "s3://footage/a/", f"local://{tmp_path}"]
    )
    assert found == Roots((f"{tmp_path}/real", str(tmp_path)), ("s3://footage/a",), ("s3", "local"))


@pytest.mark.parametrize("word", ["simplecache://a", "http://host/", "s3://", "s3://a/../b", "file://host/a"])
def test_what_bounds_nothing_is_refused(word: str) -> None:
    with pytest.raises(UsageProblem, match="--root"):
        Roots.named([word])


def test_bucket_rules_allow_what_they_publish() -> None:
    rules = ["footage/{tenant}/{project}/", "inbox/=acme/news", "deep/folder/cam=acme", "any", "{tenant}/"]
    assert roots_of_buckets(rules) == ("s3://footage", "s3://inbox", "s3://deep/folder")


def test_typed_footage_is_remembered_as_it_was(tmp_path: Path) -> None:
    files, state = tmp_path / "files", tmp_path / "state"
    state.mkdir()
    files.mkdir()
    (files / "a.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom" + bytes(40))
    (files / "linked.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    (tmp_path / "elsewhere.mp4").write_bytes((files / "a.mp4").read_bytes())
    targets = expand([str(files), "https://host/a.mp4", "s3://footage/b.mp4", "local:///x/c.mp4"])
    typed = Roots.typed(targets.roots, targets.uris)
    assert typed.prefixes == ("s3://footage/b.mp4",)
    assert typed.schemes == ()
    assert set(typed.folders) == {str(files), f"{tmp_path}/elsewhere.mp4", "/x/c.mp4"}
    assert remembered_roots(state) == Roots()
    remember_roots(state, typed)
    remember_roots(state, Roots((f"{files}/a.mp4",), ("s3://other", "s3://other/a"), ("s3",)))
    kept = remembered_roots(state)
    assert set(kept.folders) == {str(files), f"{tmp_path}/elsewhere.mp4", "/x/c.mp4"}
    assert set(kept.prefixes) == {"s3://footage/b.mp4", "s3://other"}
    # What is deleted is named no more; the folder that it lay in is.
    forget_roots(state, [f"{files}/linked.mp4", f"{files}/a.mp4", "s3://footage/b.mp4", "a chosen id"])
    kept = remembered_roots(state)
    assert set(kept.folders) == {str(files), "/x/c.mp4"}
    assert set(kept.prefixes) == {"s3://other"}


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", '{"folders": 7, "prefixes": [1, "s3://a"]}', "\xff"])
def test_a_file_that_says_nothing_allows_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / ROOTS_FILE).write_bytes(text.encode("latin-1"))
    assert remembered_roots(tmp_path).folders == ()
