"""`rushes run` for benchmarks: models that hash, and take a fixed time for each cell if told to, so that the machine's
cores decide nothing.

python -m benchmarks.roll_out --servers HOST:PORT --state DIR --root DIR --shots hashing STAGE…
"""

import argparse
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.testbed.fleet import Role
from models.hashing import HashingShots
from models.protocol import Floats
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.node.local import LocalNode
from stream.cli.commands.ingest import stop_on_signals
from stream.clock import SystemClock
from stream.pipelines.settings import PARTITION_CREDIT_S, ModelChoice, Settings
from stream.sessions.stage_process import Deployment, run_deployed

PARTITIONS = 2
ROLES = (Role(("plan", "decode"), 1), Role(("understand",), 2), Role(("index", "parquet", "dead-letters"), 1))
"""A member of `decode` and of `understand` for each partition."""


class WaitingShots(HashingShots):
    """Asked once a cell."""

    service_s = 0.4

    def cut_probabilities(self, dense: npt.NDArray[np.uint8]) -> Floats:
        SystemClock().sleep(self.service_s)
        return super().cut_probabilities(dense)


class SlowShots(WaitingShots):
    service_s = 2.0


def roll_out(node: LocalNode, folder: Path, shots: str, *more: object) -> list[str]:
    """The command of a fleet; state and clips lie in `folder`. `shots` is `hashing` or a class of this file."""
    name = shots if shots == "hashing" else f"benchmarks.roll_out:{shots}"
    options = {
        "--servers": node.servers,
        "--state": folder / "state",
        "--root": folder,
        "--shots": name,
        "--epoch-ms": SystemClock().now_ms(),
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [sys.executable, "-m", "benchmarks.roll_out", *words, *map(str, more)]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    for name in ("--servers", "--shots"):
        parser.add_argument(name, required=True)
    for name in ("--state", "--root"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--epoch-ms", type=int, default=0)
    parser.add_argument("--tenant-assets", type=int, default=4 * PARTITIONS)
    parser.add_argument("stages", nargs="+")
    given = parser.parse_args(words)
    clock, stop = SystemClock(), threading.Event()
    settings = Settings(
        state_dir=given.state,
        cache_dir=given.state / "cache",
        roots=(given.root,),
        models=replace(ModelChoice.light(), shots=given.shots),
        tenant_credit_s=PARTITION_CREDIT_S * PARTITIONS,
        tenant_assets=given.tenant_assets,
    )
    broker = KafkaBroker(KafkaSettings(given.servers), clock)
    with stop_on_signals(stop):
        run_deployed(settings, given.stages, broker, Deployment(given.epoch_ms, PARTITIONS), stop, clock=clock)
    broker.close()


if __name__ == "__main__":
    main()
