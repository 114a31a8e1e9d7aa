"""A process that shares the shards of a store. Arguments: sink, directory, method of a shard's store or sink, signal.
It writes a batch, and again for each line that it reads. On the second call of the method it sends itself the signal.
"""

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sinks.delta.followed_ledger import FollowedLedger
from sinks.delta.moments import MomentsTable
from sinks.lance.store import LanceIndex
from tests.integration.test_sinks_sharded import ASSETS, FAMILIES, batch_of, sharded

INSTANTS: dict[tuple[str, str], tuple[type, str]] = {
    ("lance", "replace"): (LanceIndex, "replace"),
    ("lance", "record"): (LanceIndex, "record"),
    ("delta", "replace"): (MomentsTable, "change"),
    ("delta", "record"): (FollowedLedger, "committed"),
}
"""What a shard's store does for each method: the Delta store has one commit for both, before it and after it."""


def interrupt(kind: type, method: str, number: signal.Signals) -> None:
    """Before the second call of the method, whosever."""
    calls, called = itertools.count(1), getattr(kind, method)

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        if next(calls) == 2:
            os.kill(os.getpid(), number)
        return called(self, *arguments, **options)

    setattr(kind, method, interrupted)


if __name__ == "__main__":
    name, directory, method, number = sys.argv[1:]
    family = FAMILIES[name]
    interrupt(*INSTANTS.get((name, method), (family, method)), signal.Signals[number])
    shared = sharded(family, Path(directory))
    shared.open()
    for _ in itertools.chain([""], sys.stdin):
        list(shared.process(batch_of(*ASSETS)))
        print("written", flush=True)
    shared.close()
