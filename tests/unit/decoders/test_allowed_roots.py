"""Which places local paths may lie in, and what asking costs."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a")
    (tmp_path / "secret.bin").write_bytes(b"secret")
    return folder


def test_a_link_in_the_place_of_a_root_widens_nothing(root: Path) -> None:
    """Roots are resolved when they are named, and never again."""
    inner = root / "inner"
    inner.mkdir()
    policy = SourcePolicy().with_roots(inner)
    inner.rmdir()
    inner.symlink_to(root.parent)
    with pytest.raises(BadMedia) as caught:
        open_source(str(inner / "secret.bin"), policy)
    assert caught.value.code == "not_found"


def test_a_root_may_be_named_through_a_link(root: Path) -> None:
    (root.parent / "linked").symlink_to(root)
    source = open_source(str(root / "a.bin"), SourcePolicy().with_roots(root.parent / "linked"))
    source.close()


class _Roots(frozenset[str]):
    """Counts how often it is asked, and may be asked nothing else."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        self.asked += 1
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("an open looks at every root")


def test_an_open_costs_as_much_as_its_path_is_deep(root: Path) -> None:
    many = _Roots([str(root / "a.bin"), *(f"/other/{number}" for number in range(20_000))])
    open_source(str(root / "a.bin"), SourcePolicy(roots=many)).close()
    assert 0 < many.asked <= 2 * (1 + len(root.parents) + 1)


def outside(root: Path) -> dict[str, Path]:
    """Paths that lie outside, by what is there; each named outright and through a link in the root."""
    places = {
        "a file": root.parent / "secret.bin",
        "nothing": root.parent / "absent.bin",
        "a folder": root.parent / "folder",
        "nothing in nothing": root.parent / "absent" / "b.bin",
        "a file taken for a folder": root.parent / "secret.bin" / "b.bin",
        "a loop": root.parent / "loop",
        "a pipe": root.parent / "pipe",
        "a name too long": root.parent / ("x" * 300),
        "an empty file": root.parent / "empty",
    }
    places["a folder"].mkdir()
    places["a loop"].symlink_to("loop")
    places["an empty file"].touch()
    os.mkfifo(places["a pipe"])
    return places


def test_what_lies_outside_looks_as_what_is_missing_whatever_it_is(root: Path) -> None:
    policy = SourcePolicy().with_roots(root)

    def refusal_of(path: Path) -> tuple[str, str]:
        with pytest.raises(BadMedia) as caught:
            open_source(str(path), policy)
        return caught.value.code, caught.value.message.removeprefix(path.name)

    missing = refusal_of(root / "never.bin")
    assert missing[0] == "not_found"
    for number, (what, path) in enumerate(outside(root).items()):
        (root / f"link{number}").symlink_to(path)
        (root / f"dots{number}").symlink_to(f"../{path.relative_to(root.parent)}")
        for named in (
            path,
            root / f"link{number}",
            root / f"dots{number}",
            root / ".." / path.relative_to(root.parent),
        ):
            assert refusal_of(named) == missing, (what, named)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_an_error_outside_is_nobodys_business(number: int, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answer is given in its place: a test that runs as root may look everywhere."""
    real = os.lstat

    def failing(path: str | Path, **options: Any) -> os.stat_result:
        if str(path).startswith(str(root.parent / "private")):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, **options)

    (root / "link").symlink_to(root.parent / "private" / "a.bin")
    monkeypatch.setattr(os, "lstat", failing)
    with pytest.raises(BadMedia) as caught:
        open_source(str(root / "link"), SourcePolicy().with_roots(root))
    assert caught.value.code == "not_found"


def test_a_version_says_nothing_of_what_a_link_leads_to(root: Path) -> None:
    source = open_source(str(root / "a.bin"), SourcePolicy().with_roots(root))
    (root / "a.bin").unlink()
    (root / "a.bin").symlink_to(root.parent / "secret.bin")
    there = source.version
    (root.parent / "secret.bin").unlink()
    assert source.version == there
    source.close()
