"""Programs that tests start in processes of their own, as `program` of this package names them. They print what the
test reads. Not here: helpers that a test calls.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""Where such a process has to start: it imports `tests` from its working directory."""


def program(name: str, *arguments: object) -> list[str]:
    """What starts `tests/support/programs/NAME.py` from `ROOT`."""
    return [sys.executable, "-m", f"{__name__}.{name}", *map(str, arguments)]
