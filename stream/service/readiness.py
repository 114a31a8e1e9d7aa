"""Whether requests can be answered now: models are loaded, rights known, the index can be read, the trail written."""

import os
import threading
from pathlib import Path
from tempfile import NamedTemporaryFile

from sinks.location import Location
from sinks.query.moments import MomentIndex
from stream.access.store import AccessStore
from stream.clock import Clock
from stream.errors import StageError
from stream.service.searchers import Searchers

_KEPT_S = 1.0


class Readiness:
    """Thread-safe. A look is kept for a second: probes come from several sides."""

    def __init__(
        self, index: Location, trail: Path, registers: AccessStore, searchers: Searchers, clock: Clock
    ) -> None:
        self._searchers = searchers
        self._index = MomentIndex(index)
        self._trail = trail
        self._registers = registers
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[float, str | None] | None = None

    def trouble(self) -> str | None:
        """The code of what is wrong; None where nothing is. An empty index is ready: it answers that it is empty."""
        if self._searchers.loading:
            return "models_loading"
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._seen is None or now_s - self._seen[0] >= _KEPT_S:
                self._seen = now_s, self._look()
            return self._seen[1]

    def _look(self) -> str | None:
        try:
            self._registers.register()
            self._index.spaces()
        except StageError as error:
            return error.code
        try:
            # As an event is: a disk may take a name and not its bytes.
            with NamedTemporaryFile(dir=self._trail, prefix=".ready-") as probe:
                probe.write(b".")
                probe.flush()
                os.fsync(probe.fileno())
        except OSError:
            return "audit_unavailable"
        return None
