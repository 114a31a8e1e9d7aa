"""Divides a store anew and kills itself at one instant. Arguments: kind of store, directory, shards, instant."""

import os
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sinks import layout
from sinks.layout import Layout
from sinks.maintenance import reshard as resharding
from tests.integration.test_sinks_reshard import INSTANTS, KINDS
from tests.support.programs.die_in_delta_sink import dying


def partly_removed(folder: Path) -> None:
    """One thing of a folder goes, and then the process."""
    first = min(folder.iterdir())
    (shutil.rmtree if first.is_dir() else os.unlink)(first)
    os.kill(os.getpid(), signal.SIGKILL)


def arm(instant: str, kind: resharding.Kind[Any]) -> None:
    owner = type(kind.store(Layout.of("nowhere").root))
    begun, some, whole, counts, gone = INSTANTS
    if instant == gone:
        vars(layout)["shutil"] = SimpleNamespace(rmtree=partly_removed)
        return
    target, name, times = {
        begun: (owner, "take_in", 1),
        some: (owner, "take_in", 4),
        whole: (Layout, "write", 1),
        counts: (resharding, "clear", 2),
    }[instant]
    setattr(target, name, dying(getattr(target, name), times))


if __name__ == "__main__":
    name, directory, shards, instant = sys.argv[1:]
    arm(instant, KINDS[name])
    resharding.reshard(Path(directory), int(shards), KINDS[name])
