"""Opens a Delta sink, writes batches of `test_sinks_delta` and kills itself at one instant of its work.

Arguments: place, instant. Prints the number of each batch that is durable.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sinks.delta.commit_log import CommitLog
from sinks.delta.followed import Followed
from sinks.delta.followed_ledger import FollowedLedger
from sinks.ledger.ledger_table import LedgerTable
from tests.integration.test_sinks_delta import BATCHES
from tests.support.sinks import build

INSTANTS: dict[str, tuple[Any, str, int]] = {
    "moments are appended": (FollowedLedger, "committed", 1),
    "moments are replaced": (FollowedLedger, "committed", 3),
    "files are written that no commit names": (CommitLog, "add", 3),
    "void rows are deleted": (FollowedLedger, "committed", 5),
    "watermarks have followed": (LedgerTable, "put", 1),
    "the ledger has followed": (Followed, "keep", 1),
    "watermarks are moved": (LedgerTable, "put", 1),
    "the ledger is about to go": (Path, "rename", 2),
    "files are about to be joined": (CommitLog, "add", 6),
}
"""Before which call of what."""


def dying(call: Callable[..., Any], times: int) -> Callable[..., Any]:
    left = iter(range(times - 1))

    def called(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)

    return called


def deliver(place: str, instant: str) -> None:
    owner, name, times = INSTANTS[instant]
    setattr(owner, name, dying(getattr(owner, name), times))
    sink = build("delta", place)
    for number, batch in enumerate(BATCHES):
        list(sink.process(batch))
        print(number, flush=True)
    sink.maintain()


if __name__ == "__main__":
    deliver(sys.argv[1], sys.argv[2])
