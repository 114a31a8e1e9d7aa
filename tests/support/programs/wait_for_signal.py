"""Waits for a termination signal, and ends; with a file as first argument it ignores the signal once the file is there.

Arguments: the file or `-`, whatever its parent adds.
"""

import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    if sys.argv[1] != "-":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path(sys.argv[1]).touch()
        while True:
            signal.pause()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()


if __name__ == "__main__":
    main()
