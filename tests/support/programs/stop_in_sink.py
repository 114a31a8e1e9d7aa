"""Opens a sink on an object store, stops itself once in the midst of a batch, and goes on when it is let.

Arguments: sink, place, where it stops. Prints what became of the batch, once for each attempt.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from lance import LanceDataset

from benchmarks.testbed.waiting import wait_for
from sinks.delta.commit_log import CommitLog
from sinks.delta.moments import MomentsTable
from sinks.tables.lance_tables import LanceTables
from stream.errors import StageError
from tests.support.annotations import annotations, events, planned
from tests.support.sinks import build

FIRST = events(planned(of=4), annotations(count=2, of=4))
SECOND = events(annotations(segment=1, count=3, of=4), annotations(count=4, revision=1, of=4))
PLACES: dict[str, tuple[Any, str]] = {
    "in a commit to the index": (LanceDataset, "commit"),
    "before a commit to the index": (LanceTables, "exchange"),
    "in a commit to the Delta table": (CommitLog, "add"),
    "before a commit to the Delta table": (MomentsTable, "change"),
}
"""Before which call."""


def stopping(call: Callable[..., Any]) -> Callable[..., Any]:
    stopped: list[bool] = []

    def called(*arguments: Any, **options: Any) -> Any:
        if not stopped:
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return call(*arguments, **options)

    return called


def work(name: str, place: str, where: str) -> None:
    sink = build(name, place)
    list(sink.process(FIRST))
    owner, call = PLACES[where]
    setattr(owner, call, stopping(getattr(owner, call)))

    def written() -> bool:
        try:
            list(sink.process(SECOND))
        except StageError as error:
            print(error.code, flush=True)
            return False
        print("written", flush=True)
        return True

    wait_for(written, "the batch is written", every_s=0.25)
    sink.close()


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], sys.argv[3])
