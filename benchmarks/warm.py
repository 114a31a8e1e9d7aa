"""The embedded topology kept open over many assets, so that a figure holds no start-up."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.footage import DECODE_CHILDREN, MODEL_THREADS, cache
from stream.clock import SystemClock
from stream.events.asset import AssetPublished, AssetStatus, Profile, SegmentProgressed
from stream.events.base import Event
from stream.pipelines.settings import Device, ModelChoice, Settings
from stream.sessions.embedded import Embedded

TENANT = "bench"
TIMEOUT_S = 7200.0


class WarmTopology(Embedded):
    """`Embedded`, except that it goes on when everything is acknowledged. `reported_s` is when each stage first told
    of an asset, on the monotonic clock.
    """

    reported_s: dict[tuple[str, str], float]

    @contextmanager
    def serving(self) -> Iterator["WarmTopology"]:
        """Stages run for the block."""
        self.reported_s = {}
        with self._threads() as self._running:
            yield self

    def ingest(self, path: Path, asset_id: str, profile: Profile) -> None:
        """Publish and wait until the index has reported the asset `ready`. Raises `RuntimeError` if it is not."""
        self._announce(path, [asset_id], profile)
        deadline_s = time.monotonic() + TIMEOUT_S
        while (status := self._status(asset_id)) is None or not status.final:
            self._running.check()
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{asset_id} is not final after {TIMEOUT_S:.0f} s")
            self._receive(0.1)
        if status is not AssetStatus.READY:
            raise RuntimeError(f"{asset_id} is {status}")

    def begin(self, path: Path, asset_id: str, stage: str, patience_s: float) -> None:
        """Publish and wait until a stage has done a part of it. Raises `RuntimeError` after `patience_s`."""
        self._announce(path, [asset_id], "full")
        deadline_s = time.monotonic() + patience_s
        while (asset_id, stage) not in self.reported_s:
            self._running.check()
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{stage} has done nothing of {asset_id} after {patience_s:.0f} s")
            self._receive(0.05)

    def ready_s(self, asset_ids: Sequence[str], path: Path, patience_s: float) -> list[float]:
        """Publish an asset of the same clip under each name, all at once. Seconds until each was `ready`, in the order
        of being so; `patience_s` for each that is not by then. Raises `RuntimeError` for one that is something else.
        """
        start_s = time.monotonic()
        self._announce(path, asset_ids, "full")
        waiting, taken = set(asset_ids), list[float]()
        now_s = 0.0
        while waiting and now_s < patience_s:
            self._running.check()
            self._receive(0.05)
            now_s = time.monotonic() - start_s
            for asset_id in [name for name in waiting if (status := self._status(name)) is not None and status.final]:
                if self._status(asset_id) is not AssetStatus.READY:
                    raise RuntimeError(f"{asset_id} is {self._status(asset_id)}")
                waiting.remove(asset_id)
                taken.append(now_s)
        return taken + [patience_s] * len(waiting)

    def _announce(self, path: Path, asset_ids: Sequence[str], profile: Profile) -> None:
        events = [
            Event(
                AssetPublished(uri=str(path), asset_id=asset_id, profile=profile),
                tenant=TENANT,
                project="bench",
                subject=asset_id,
                event_time_ms=self._clock.now_ms(),
            )
            for asset_id in asset_ids
        ]
        self.publish(events)

    def settle(self) -> None:
        """Wait until every stage has acknowledged everything, the table's copy too."""
        while not self.broker.wait_quiescent(0.05):
            self._running.check()
            self._receive(0.0)

    def _receive(self, timeout_s: float) -> None:
        records = self._reader.poll(10_000, timeout_s)
        told = [self._decoder.decode(record).data for record in records]
        for item in told:
            if isinstance(item, SegmentProgressed):
                self.reported_s.setdefault((item.asset.asset_id, item.stage), time.monotonic())
        self.progress.apply(told)
        self._reader.ack(records)

    def _status(self, asset_id: str) -> AssetStatus | None:
        return next((item.status for item in self.progress.changes() if item.asset.asset_id == asset_id), None)


@contextmanager
def warm_topology(
    folder: Path,
    warm_up: Path,
    *roots: Path,
    models: ModelChoice | None = None,
    profile: Profile = "full",
    model_device: Device = "cpu",
    decode_children: int = DECODE_CHILDREN,
    max_span_s: float = 120.0,
) -> Iterator[WarmTopology]:
    """State under `folder`, clips there or under `roots`; open and warm when the block begins. Real weights, unless
    `models` says otherwise.
    """
    settings = Settings(
        state_dir=folder / "state",
        cache_dir=cache().directory,
        roots=(folder, warm_up.parent, *roots),
        decode_children=decode_children,
        max_span_s=max_span_s,
        model_threads=MODEL_THREADS,
        model_device=model_device,
        models=models or ModelChoice(),
    )
    with WarmTopology(settings, SystemClock()) as topology, topology.serving():
        topology.ingest(warm_up, "warm-up", profile)
        topology.settle()
        yield topology
