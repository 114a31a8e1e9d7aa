"""Observers of a roll-out beside it: an exporter in a process of its own, and what `rushes autoscale` looks through."""

import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.testbed.runs import RUSHES
from stream.cli.options.observer import Watched as What
from stream.cli.options.observer import deployed, observing, observing_in_background
from stream.cli.options.sessions import Cluster
from stream.freshness.autoscaler import ScalingPolicy
from stream.freshness.supervised_observer import SupervisedObserver

INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Watched:
    """`port` is the exporter's."""

    broker: str
    observer: SupervisedObserver
    port: int
    exporter: "subprocess.Popen[str]"

    def sees(self) -> bool:
        """Whether both know how things are."""
        return self.observer.blind is None and self.observer.last is not None and self._asked("/readyz")[0] == 200

    def says(self) -> str:
        return f"{self.observer.blind}; exporter: {self._asked('/readyz')[1]}"

    def left(self) -> dict[str, float]:
        """Records that the exporter tells of as left, by its labels; of groups that have workers in a roll-out."""
        page = self._asked("/metrics")[1]
        found = re.findall(r"^rushes_offset_lag_records\{(.*?)\} (\S+)$", page, re.MULTILINE)
        assert found, "the exporter shows nothing"
        return {labels: float(count) for labels, count in found if float(count)}

    def _asked(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10.0) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()


@contextmanager
def watched(servers: str, folder: Path) -> Iterator[Watched]:
    """For the block; both must outlive it."""
    broker = f"kafka://{servers}"
    command = [str(RUSHES), "exporter", "--broker", broker, "--port", "0", "--interval", str(INTERVAL_S)]
    with (folder / "exporter.log").open("w") as log:
        exporter = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert exporter.stdout is not None
        (port,) = re.findall(r":(\d+)/metrics", exporter.stdout.readline())
        what = What(Cluster(broker, None), deployed(), ScalingPolicy())
        with observing(what) as observer, observing_in_background(observer, INTERVAL_S):
            yield Watched(broker, observer, int(port), exporter)
            observer.check()
        assert exporter.poll() is None, "the exporter ended"
    finally:
        exporter.terminate()
        exporter.communicate(timeout=60)
