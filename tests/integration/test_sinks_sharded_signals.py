"""Processes that share shards and are stopped, or killed, at the worst moment."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sinks.layout import Layout
from sinks.sharded import sink as sharded_sink
from stream.errors import Unavailable
from stream.events.ids import asset_key
from tests.integration.test_sinks_sharded import ASSETS, FAMILIES, Family, batch_of, ledgers, opened, sharded
from tests.support.annotations import SPACE
from tests.support.programs import ROOT, program

WRITTEN = b"written\n"


@contextmanager
def sharing(name: str, root: Path, method: str, number: signal.Signals) -> Iterator["subprocess.Popen[bytes]"]:
    command = program("share_shards", name, root, method, number.name)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        try:
            yield started
        finally:
            started.kill()


def again(process: "subprocess.Popen[bytes]") -> None:
    """Let it write its batch once more."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def said(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def rows_of(family: Family, root: Path) -> list[tuple[str, int]]:
    """Asset id and revision of every row in any shard."""
    found: list[tuple[str, int]] = []
    keys = [asset_key("acme", name) for name in ASSETS]
    for place in Layout.of(root).places:
        store = family(place).store
        store.open()
        rows = store.rows(keys, SPACE.key)
        found += [] if rows is None else zip(rows["asset_id"].to_pylist(), rows["revision"].to_pylist(), strict=True)
    return sorted(found)


@pytest.mark.parametrize("method", ["replace", "record"])
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_process_that_slept_in_a_commit_wakes_and_harms_nothing(
    name: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = FAMILIES[name]
    with sharing(name, tmp_path, method, signal.SIGSTOP) as sleeper:
        _, status = os.waitpid(sleeper.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        with opened(sharded(family, tmp_path)) as successor:
            # Its records came here when its session ended; what it holds waits for it.
            monkeypatch.setattr(sharded_sink, "PATIENCE_S", 0.2)
            with pytest.raises(Unavailable) as refused:
                successor.process(batch_of(*ASSETS, revision=1))
            assert refused.value.code == "store_locked"
            os.kill(sleeper.pid, signal.SIGCONT)
            assert said(sleeper) == WRITTEN
            monkeypatch.setattr(sharded_sink, "PATIENCE_S", 60.0)
            list(successor.process(batch_of(*ASSETS, revision=1)))
            # It still has its old records in hand, and tries them once more.
            again(sleeper)
            assert said(sleeper) == WRITTEN
            list(successor.process(batch_of(*ASSETS, segment=1)))
    wanted = sorted([(asset, revision) for asset in ASSETS for revision in (1, 1, 0, 0)])
    assert rows_of(family, tmp_path) == wanted
    assert {entry for held in ledgers(family, tmp_path) for entry in held} == {
        entry for asset in ASSETS for entry in ((asset, 0, 1), (asset, 1, 0))
    }


@pytest.mark.parametrize("method", ["replace", "record"])
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_shards_of_a_process_that_is_killed_go_to_the_next(
    name: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = FAMILIES[name]
    monkeypatch.setattr(sharded_sink, "PATIENCE_S", 60.0)
    with sharing(name, tmp_path, method, signal.SIGKILL) as killed:
        assert killed.wait(60) == -signal.SIGKILL
        with opened(sharded(family, tmp_path)) as successor:
            list(successor.process(batch_of(*ASSETS)))
    assert rows_of(family, tmp_path) == sorted([(asset, 0) for asset in ASSETS] * 2)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_process_that_is_killed_while_it_hands_a_shard_over_loses_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = FAMILIES[name]
    monkeypatch.setattr(sharded_sink, "PATIENCE_S", 60.0)
    with sharing(name, tmp_path, "close", signal.SIGKILL) as killed:
        assert said(killed) == WRITTEN
        with opened(sharded(family, tmp_path)) as successor:
            list(successor.process(batch_of(*ASSETS, segment=1)))
            assert killed.wait(60) == -signal.SIGKILL
            list(successor.process(batch_of(*ASSETS, revision=1)))
    assert rows_of(family, tmp_path) == sorted((asset, revision) for asset in ASSETS for revision in (0, 0, 1, 1))
