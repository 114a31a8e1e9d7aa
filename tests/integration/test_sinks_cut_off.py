"""A kill of the index between any two of its commits: when the batch comes again, the store holds what it should."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.lance.sink import LanceSink
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import ASSETS
from stream.clock import ManualClock
from stream.events.base import Event
from tests.support.annotations import (
    OTHER_SPACE,
    SPACE,
    annotations,
    asset_deleted,
    events,
    key_of,
    planned,
    ref,
    retired,
    segment_failed,
)

COMMITS = ("append", "exchange", "exchange_where", "update", "delete")

NEWER, OTHER = ref(number=2), ref("other")
BATCHES: dict[str, list[Event]] = {
    "new footage of two assets": events(
        planned(of=2, labels={"a": "b"}), annotations(of=2), annotations(segment=1, of=2, space=OTHER_SPACE),
        annotations(OTHER, of=2), segment_failed(OTHER, 1),
    ),
    "fewer moments, more, none, new ones": events(
        annotations(of=2, revision=1, count=1), annotations(OTHER, of=2, revision=1, count=3),
        annotations(segment=1, of=2, space=OTHER_SPACE, revision=1, count=0), annotations(OTHER, 1, of=2),
        annotations(segment=1, of=2),
    ),
    "rows that waited for their plan show": events(planned(OTHER, of=2, labels={"late": "yes"})),
    "changed footage that is not whole yet": events(
        planned(NEWER, content="b", of=2), annotations(NEWER, of=2, content="b"),
    ),
    "changed footage is whole and the old goes": events(annotations(NEWER, 1, of=2, content="b")),
    "other labels and another project": events(
        planned(ref("other", 3, project="sport"), of=2, assumed=(0, 1), labels={"late": "no"})
    ),
    "a deletion and a retirement": [
        asset_deleted(ref("other", 4)), *events(retired(2, key_of("b")), annotations(ref("last"), of=1))
    ],
}  # fmt: skip


class Killed(BaseException):
    """What no `except Exception` sees."""


class Commits:
    """Counts commits at the tables, and kills before number `kill_at` is made."""

    def __init__(self, patch: pytest.MonkeyPatch, kill_at: int | None = None) -> None:
        self.count = 0
        for name in COMMITS:
            patch.setattr(LanceTables, name, self._counted(getattr(LanceTables, name), kill_at))

    def _counted(self, commit: Any, kill_at: int | None) -> Any:
        def counted(*arguments: Any, **options: Any) -> None:
            if self.count == kill_at:
                raise Killed
            self.count += 1
            commit(*arguments, **options)

        return counted


def opened(directory: Path) -> LanceSink:
    sink = LanceSink(directory, ManualClock())
    sink.open()
    return sink


def held(sink: LanceSink) -> list[list[dict[str, Any]]]:
    """Every row of every table, with what they say of search, in an order of their own."""
    return [
        sorted(table.to_pylist(), key=repr)
        for name in ("segments", ASSETS, *(f"moments_{space.key}" for space in (SPACE, OTHER_SPACE)))
        if (table := sink.store.tables.select(name, "")) is not None
    ]


def test_a_kill_between_any_two_commits_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tmp_path / "before"
    opened(before).close()
    kills = 0
    for what, batch in BATCHES.items():
        calm = shutil.copytree(before, tmp_path / "calm")
        sink = opened(calm)
        with monkeypatch.context() as patch:
            commits = Commits(patch)
            list(sink.process(batch))
        wanted = held(sink)
        sink.close()
        assert commits.count >= 2
        for number in range(commits.count):
            torn = shutil.copytree(before, tmp_path / "torn")
            assert after_a_kill(torn, batch, number, monkeypatch) == wanted, f"{what}, before commit {number}"
            shutil.rmtree(torn)
            kills += 1
        shutil.rmtree(before)
        calm.rename(before)
    assert kills > 30


def after_a_kill(
    directory: Path, batch: list[Event], number: int, monkeypatch: pytest.MonkeyPatch
) -> list[list[dict[str, Any]]]:
    sink = opened(directory)
    with monkeypatch.context() as patch:
        Commits(patch, kill_at=number)
        with pytest.raises(Killed):
            list(sink.process(batch))
    sink.close()  # as a kill does: the system takes the lock back
    sink = opened(directory)
    list(sink.process(batch))
    found = held(sink)
    sink.close()
    return found


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[LanceSink]:
    made = opened(tmp_path / "store")
    yield made
    made.close()


def test_a_cell_that_is_replaced_is_never_without_rows(sink: LanceSink, monkeypatch: pytest.MonkeyPatch) -> None:
    list(sink.process(events(planned(of=1), annotations(of=1))))
    seen: list[int] = []
    for name in COMMITS:
        commit = getattr(LanceTables, name)

        def watched(*arguments: Any, commit: Any = commit, **options: Any) -> None:
            commit(*arguments, **options)
            table = sink.store.tables.find(f"moments_{SPACE.key}")
            assert table is not None
            seen.append(table.count_rows())

        monkeypatch.setattr(LanceTables, name, watched)
    list(sink.process(events(annotations(of=1, revision=1, count=4))))
    list(sink.process(events(annotations(of=1, revision=2, count=1))))
    assert len(seen) >= 6
    assert min(seen) >= 1
    assert seen[-1] == 1
