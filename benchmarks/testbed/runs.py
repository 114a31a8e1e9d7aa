"""Whole runs for tests: in this process through `Embedded`, or through the command line in another; and their rows."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from sinks.maintenance.pairs import Pairs
from stream.clock import Clock, SystemClock
from stream.control.progress import Progress
from stream.events.asset import AssetChanged, AssetDeleted, AssetPublished, Profile
from stream.events.base import Event, Payload
from stream.events.grid import SECOND_NS, segment_range
from stream.events.ids import Order
from stream.pipelines.settings import ModelChoice, Settings
from stream.sessions.embedded import Embedded
from stream.sessions.session import OnProgress, RawRecord

RUSHES = Path(sys.executable).parent / "rushes"
VECTOR_TOLERANCE = 1e-5
# When and by which run a row was made; the rest follows from content and settings.
_OF_THE_RUN = frozenset({"version_ms", "version_offset", "epoch_ms", "day"})

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """A `rushes` process that ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that `--json` promises."""
        return json.loads(self.out)

    @property
    def assets(self) -> dict[str, Row]:
        """The assets of an ingest document by file name."""
        return {asset["uri"].rstrip("/").rsplit("/", 1)[-1]: asset for asset in self.document["assets"]}


def start(
    state: Path, *arguments: object, cache: Path | None = None, through: Sequence[str] = (), log: Path | None = None
) -> subprocess.Popen[str]:
    """A `rushes` process over `state`, in a process group of its own. Lines are not wrapped. `through` is a command
    that becomes the one which follows it. Standard error goes to `log`, if given, where it can be read meanwhile.
    """
    command = [
        *through,
        str(RUSHES),
        "--state",
        str(state),
        *(["--cache", str(cache)] if cache else []),
        *map(str, arguments),
    ]
    with log.open("w") if log else nullcontext(subprocess.PIPE) as errors:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "300"},
        )


def finish(process: subprocess.Popen[str], timeout_s: float = 180.0) -> Finished:
    """Wait for the end; a process that does not end is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Finished(process.returncode, out, err or "")


def rushes(state: Path, *arguments: object, cache: Path | None = None) -> Finished:
    """Run `rushes --state STATE ARGUMENTS…` in a new process."""
    return finish(start(state, *arguments, cache=cache))


def ingest(state: Path, *arguments: object, cache: Path | None = None) -> Finished:
    """`rushes ingest ARGUMENTS… --light --json`, which must have run, whatever became of the assets."""
    done = rushes(state, "ingest", *arguments, "--light", "--json", cache=cache)
    assert done.code in {0, 1}, done.err
    return done


def assert_all_gone(processes: list[psutil.Process]) -> None:
    """Children see that their parent is gone and leave by themselves."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive, "children outlive the run"


def descendants(pid: int) -> list[psutil.Process]:
    """The processes that `pid` started, and theirs."""
    return psutil.Process(pid).children(recursive=True)


def light_settings(state: Path, *roots: Path, models: ModelChoice | None = None, **changed: Any) -> Settings:
    """Settings over the hashing models: no weights, seconds a run."""
    settings = Settings(
        state_dir=state, cache_dir=state.parent / "cache", roots=roots, models=models or ModelChoice.light()
    )
    return replace(settings, **changed)


def run_events(
    settings: Settings,
    events: Iterable[Event],
    raw: Iterable[RawRecord] = (),
    *,
    later: Iterable[tuple[float, Event]] = (),
    watch: OnProgress = lambda _progress, _paused: None,
    clock: Clock | None = None,
) -> Progress:
    """One embedded run in this process until everything is acknowledged. `later` events are published that many
    seconds after the others, in this order, whatever the run is at by then.
    """
    following = sorted(later, key=lambda item: item[0])

    def follow() -> None:
        """In one thread: two timers a hundredth of a second apart may go off in either order."""
        passed_s = 0.0
        for delay_s, event in following:
            SystemClock().sleep(delay_s - passed_s)
            embedded.publish([event])
            passed_s = delay_s

    with Embedded(settings, clock or SystemClock()) as embedded:
        embedded.send(raw)
        embedded.publish(events)
        follower = threading.Thread(target=follow)
        follower.start()
        finished = embedded.run(threading.Event(), watch)
        follower.join()
        assert finished
        if following:  # one may have come after the end
            assert embedded.run(threading.Event(), watch)
        return embedded.progress


def published(
    uri: Path | str,
    *,
    asset_id: str | None = None,
    tenant: str = "default",
    project: str = "default",
    profile: Profile = "full",
    labels: Mapping[str, str] | None = None,
) -> Event:
    data = AssetPublished(uri=str(uri), asset_id=asset_id, profile=profile, labels=dict(labels or {}))
    return event_of(data, data.identity(), tenant=tenant, project=project)


def deletion(asset_id: str, *, tenant: str = "default") -> Event:
    return event_of(AssetDeleted(asset_id=asset_id), asset_id, tenant=tenant)


def event_of(data: Payload, subject: str, *, tenant: str = "default", project: str = "default") -> Event:
    now_ms = SystemClock().now_ms()
    return Event(data=data, tenant=tenant, project=project, subject=subject, event_time_ms=now_ms, source="test")


def decoded_s(progress: Progress) -> float:
    """Seconds of footage that the decode stage sent."""
    stage = progress.totals().get("decode")
    return stage.done / SECOND_NS if stage else 0.0


def last_change(progress: Progress, asset_id: str, tenant: str = "default") -> AssetChanged:
    """The status of the newest version of an asset that this run spoke of."""
    found = [item for item in progress.changes() if (item.asset.tenant, item.asset.asset_id) == (tenant, asset_id)]
    return max(found, key=lambda item: item.asset.version)


@dataclass(frozen=True, slots=True)
class StoredRows:
    """All moments of both stores, by moment id."""

    lance: dict[str, Row]
    delta: dict[str, Row]

    def of(self, keep: Callable[[Row], bool]) -> "StoredRows":
        return StoredRows(*({key: row for key, row in rows.items() if keep(row)} for rows in (self.lance, self.delta)))

    @property
    def ordered(self) -> list[Row]:
        """The index's rows as they lie in time, asset by asset."""
        return sorted(self.lance.values(), key=lambda row: (row["tenant"], row["asset_id"], row["start_ns"]))


def stored_rows(state: Path) -> StoredRows:
    """What both stores hold, live or not. No id may stand twice in a store."""
    settings = light_settings(state)
    pairs = Pairs.open(settings.index_dir, settings.parquet_dir)
    lance, delta = list[Row](), list[Row]()
    for stores, keys in pairs.of(list(pairs.assets())):
        for space in pairs.spaces():
            found = stores.lance.rows(keys, space)
            lance += [] if found is None else found.to_pylist()
            delta += stores.delta.rows(keys, space).to_pylist()
    return StoredRows(_by_id(lance), _by_id(delta))


def cells_written(state: Path) -> set[tuple[int, Order]]:
    """Cells that both ledgers hold as done by the same write, with the order of that write."""
    settings = light_settings(state)
    pairs = Pairs.open(settings.index_dir, settings.parquet_dir)
    found: set[tuple[int, Order]] = set()
    for stores, keys in pairs.of(list(pairs.assets())):
        lance, delta = (
            {(item.segment, item.order) for item in store.ledger_entries(keys) if item.outcome == "done"}
            for store in (stores.lance, stores.delta)
        )
        found |= lance & delta
    return found


def cells_done(state: Path) -> set[int]:
    """The numbers of `cells_written`."""
    return {segment for segment, _ in cells_written(state)}


def assert_same_rows(found: StoredRows, expected: StoredRows, *, but: Iterable[str] = ()) -> None:
    """Equal rows in both stores: everything exactly, but vectors to 1e-5 and what tells of the run."""
    ignored = _OF_THE_RUN | set(but)
    for ours, theirs in ((found.lance, expected.lance), (found.delta, expected.delta)):
        assert ours.keys() == theirs.keys()
        for key, row in ours.items():
            other = theirs[key]
            for name in row.keys() - ignored:
                if name in {"vector", "image_vector"} and row[name] is not None:
                    np.testing.assert_allclose(row[name], other[name], rtol=0, atol=VECTOR_TOLERANCE)
                else:
                    assert row[name] == other[name], (key, name)


def assert_covers(rows: Sequence[Row], duration_ns: int) -> None:
    """The moments of one asset, in order, cover [0, duration) without gap or overlap, each within its cell."""
    assert rows
    assert rows[0]["start_ns"] == 0
    assert [row["end_ns"] for row in rows] == [*(row["start_ns"] for row in rows[1:]), duration_ns]
    for row in rows:
        first, last = segment_range(row["segment"], duration_ns)
        assert first <= row["start_ns"] < row["end_ns"] <= last


def assert_complete(row: Row, *, aside_ns: int = 0) -> None:
    """A moment has a sample (at most `aside_ns` outside of it), a picture, a unit vector and its provenance."""
    assert row["sample_count"] >= 1
    assert row["start_ns"] - aside_ns <= row["thumbnail_time_ns"] < row["end_ns"] + aside_ns
    with Image.open(io.BytesIO(row["thumbnail"])) as picture:
        picture.load()
        assert picture.format == "JPEG"
    assert abs(float(np.linalg.norm(row["vector"])) - 1.0) < 1e-5
    stamps = json.loads(row["models"])
    assert {"tags", "embedding"} <= {stamp["role"] for stamp in stamps}
    assert all(stamp["name"] and stamp["version"] and stamp["digest"] for stamp in stamps)
    digests = json.loads(row["stage_digests"])
    assert {"decode", "understand"} <= digests.keys()
    assert all(digests.values())


def _by_id(rows: Sequence[Row]) -> dict[str, Row]:
    found = {row["moment_id"]: row for row in rows}
    assert len(found) == len(rows), "a moment is stored twice"
    return found
