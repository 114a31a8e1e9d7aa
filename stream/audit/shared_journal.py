"""One trail of many short processes: each writes one event at a time, and waits for its turn."""

from collections.abc import Mapping
from typing import Any

from stream.audit.entry import Head
from stream.audit.journal import Journal

_WAIT_S = 10.0


class SharedJournal:
    """Each event is followed by a checkpoint, as nobody stays who could make one later."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, event: Mapping[str, Any]) -> Head:
        """As `Journal.append`. Waits for other processes for 10 s."""
        # Opened for each event, as other processes may have continued the chain meanwhile.
        self._journal.open(wait_s=_WAIT_S)
        try:
            head = self._journal.append(event)
            self._journal.checkpoint()
        finally:
            self._journal.close()
        return head
