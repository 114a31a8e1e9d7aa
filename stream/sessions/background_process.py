"""Background work on one machine: a process beside it, which runs the stages while there is something to do."""

import logging
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

from pydantic import ValidationError

from stream.errors import StageError, Unavailable
from stream.sessions.background import Done, NewFootage, WorkItem, WorkReport

MOST_WAITING = 10_000
_FIRST_DELAY_S, _MOST_DELAY_S = 1.0, 300.0
_END_S = 40.0
_log = logging.getLogger(__name__)


class BackgroundProcess:
    """`BackgroundWork` for the stages of this machine. `command` takes items from its standard input and reports them
    on its standard output (`background_feed`). It is started when there is one, and ends when there is none, so that
    others can use the state directory. What it did not begin is given to the next. `close` it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._changed = threading.Condition()
        self._items: dict[str, WorkItem] = {}
        self._unsent: deque[str] = deque()
        self._begun: set[str] = set()
        self._told: dict[str, Done] = {}
        self._running = False
        self._finished = 0
        self._failures = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="background work", daemon=True)
        self._thread.start()

    def publish(self, publication: NewFootage, done: Done) -> None:
        with self._changed:
            # Its own id: who asks again while it is under way asks for the same.
            if publication.publication_id not in self._items:
                self._add(WorkItem(item_id=publication.publication_id, publication=publication))
                self._told[publication.publication_id] = done

    def replay(self, letter_ids: Sequence[str]) -> None:
        with self._changed:
            known = self._replaying()
            fresh = tuple(name for name in dict.fromkeys(letter_ids) if name not in known)
            if len(known) + len(fresh) > MOST_WAITING:
                raise Unavailable(f"{MOST_WAITING} dead letters wait to be replayed already", code="too_much_waiting")
            if fresh:
                self._add(WorkItem(item_id=uuid4().hex, letter_ids=fresh))

    def replaying(self) -> frozenset[str]:
        with self._changed:
            return self._replaying()

    def trouble(self) -> str | None:
        """Told until a process has finished something."""
        with self._changed:
            if not self._failures:
                return None
            return (
                f"the process for background work has died {self._failures} times in a row before it finished anything;"
                f" it is started again within {_MOST_DELAY_S:g} s, and the log of the service has its words"
            )

    def before_index(self) -> None:
        """None: it processes what the service itself publishes, and tells when that is final."""
        return

    def close(self) -> None:
        """What is under way is interrupted; it can be asked for again."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def _add(self, item: WorkItem) -> None:
        self._items[item.item_id] = item
        self._unsent.append(item.item_id)
        self._changed.notify_all()

    def _replaying(self) -> frozenset[str]:
        return frozenset(name for item in self._items.values() for name in item.letter_ids)

    def _work(self) -> None:
        delay_s = _FIRST_DELAY_S
        while self._awaited():
            before = self._finished
            code = self._run()
            with self._changed:
                left = self._left()
                if not left or self._finished > before:
                    delay_s = _FIRST_DELAY_S
                self._failures = self._failures + 1 if left else 0
            if not left:
                continue
            # Another process may work on the same directory; its words are on standard error.
            _log.warning("the process for background work ended with %s; it is started again in %g s", code, delay_s)
            if self._closing.wait(delay_s):
                return
            delay_s = min(delay_s * 2, _MOST_DELAY_S)

    def _awaited(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closing.is_set())
            return not self._closing.is_set()

    def _run(self) -> int:
        # In a session of its own: an interrupt at the terminal is for the service, which ends it by closing its input.
        process = subprocess.Popen(  # noqa: S603 - our own command line
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout is not None
        with self._changed:
            self._running = True
        writer = threading.Thread(target=self._write, args=(process,), name="background work to do", daemon=True)
        writer.start()
        for line in process.stdout:
            self._heard(line)
        with self._changed:
            self._running = False
            self._changed.notify_all()
        writer.join()
        process.stdout.close()
        return process.wait()

    def _write(self, process: subprocess.Popen[str]) -> None:
        """Items as they come, until the process or the service ends."""
        assert process.stdin is not None
        while (item := self._next()) is not None:
            try:
                process.stdin.write(item.model_dump_json() + "\n")
                process.stdin.flush()
            # It has just ended: what it did not begin is given to the next one.
            except OSError:
                break
        # It sees the end of its input, finishes what it holds, and leaves the rest.
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()

    def _next(self) -> WorkItem | None:
        with self._changed:
            self._changed.wait_for(lambda: self._unsent or self._closing.is_set() or not self._running)
            if self._closing.is_set() or not self._running:
                return None
            return self._items[self._unsent.popleft()]

    def _heard(self, line: str) -> None:
        try:
            report = WorkReport.model_validate_json(line)
        # A library may print something.
        except ValidationError:
            return
        done = None
        with self._changed:
            if report.state == "begun":
                self._begun.add(report.item_id)
            else:
                self._finished += 1
                self._failures = 0
                done = self._told.pop(report.item_id, None)
                self._forget(report.item_id)
        # Without the lock: who is told may ask for more.
        if done is not None:
            try:
                done(report.reason)
            # Who is told may have ended, or have no room to note it: then it asks again.
            except StageError as error:
                _log.warning("%s (%s)", error.message, error.code)

    def _left(self) -> bool:
        """Whether something is left for another process."""
        cut_off = [item for item in self._begun if item in self._items]
        for item in cut_off:
            # To send it again would count a second replay that nobody asked for.
            _log.warning("a replay of %d dead letters was cut off", len(self._items[item].letter_ids))
            self._forget(item)
        self._unsent = deque(self._items)
        return bool(self._items)

    def _forget(self, item_id: str) -> None:
        self._items.pop(item_id, None)
        self._begun.discard(item_id)
