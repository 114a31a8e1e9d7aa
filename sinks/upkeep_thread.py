"""Upkeep of a store in a thread beside its writer's commits: one run at a time, which no commit waits for."""

import logging
import threading
from collections.abc import Callable

from stream.errors import StageError

_log = logging.getLogger(__name__)


class UpkeepThread:
    """Runs `work` of the store called `name` whenever it is asked to and no run is on. What fails is logged and put
    off until the next time: a commit never fails because of it.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> bool:
        """Begin a run; False where one is on still."""
        if self.running:
            return False
        self._thread = threading.Thread(target=self._run, name=f"upkeep of {self._name}", daemon=True)
        self._thread.start()
        return True

    def join(self) -> None:
        """Return when no run is on: before the store is closed, or tidied by its writer itself."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            self._work()
        except StageError as error:
            _log.warning("%s: upkeep is put off, %s (%s)", self._name, error.message, error.code)
        except Exception:  # noqa: BLE001 - a thread has nobody to raise to
            _log.exception("%s: upkeep is put off", self._name)
