"""The embedded topology kept open over many assets, so that a figure holds no start-up."""

import time
from collections.abc import Iterator
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
        data = AssetPublished(uri=str(path), asset_id=asset_id, profile=profile)
        self.publish(
            [Event(data, tenant=TENANT, project="bench", subject=asset_id, event_time_ms=self._clock.now_ms())]
        )
        deadline_s = time.monotonic() + TIMEOUT_S
        while (status := self._status(asset_id)) is None or not status.final:
            self._running.check()
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{asset_id} is not final after {TIMEOUT_S:.0f} s")
            self._receive(0.1)
        if status is not AssetStatus.READY:
            raise RuntimeError(f"{asset_id} is {status}")

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
