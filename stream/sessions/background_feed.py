"""The background work of a service in the process that does it: taken from lines, and answered in lines."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable

from sinks.dead_letters import DeadLetters
from stream.errors import BadEvent
from stream.sessions.background import WorkItem, WorkReport, replay_of_letters
from stream.sessions.replay import Feed
from stream.sessions.session import Session

LINGER_S = 2.0
"""So long a process without work waits for more: models are loaded only once for what comes in a row."""


class BackgroundFeed:
    """Feeds a run of `session` item by item. `say` takes what becomes of each. One thread at a time, but for `take`."""

    def __init__(
        self, session: Session, store: DeadLetters, say: Callable[[WorkReport], None], linger_s: float = LINGER_S
    ) -> None:
        self._session = session
        self._store = store
        self._say = say
        self._linger_s = linger_s
        self._waiting: queue.SimpleQueue[WorkItem | None] = queue.SimpleQueue()
        self._published: list[WorkItem] = []
        self._replays: deque[WorkItem] = deque()
        self._at: tuple[WorkItem, Feed] | None = None
        self._ended = False

    def take(self, lines: Iterable[str], stop: threading.Event) -> None:
        """All lines; at their end who sends them is gone, and nothing new is begun."""
        for line in lines:
            self._waiting.put(WorkItem.model_validate_json(line))
        stop.set()
        self._waiting.put(None)

    def look(self) -> None:
        """Begin what need not wait for others: footage is worked on beside what is at work."""
        while not self._ended and not self._waiting.empty():
            self._begin(self._waiting.get())

    def __call__(self) -> bool:
        """Whether there was more to do. Whoever calls waits until all that was sent is processed."""
        self._finish_published()
        if self._at is not None:
            item, feed = self._at
            if feed():
                return True
            self._at = None
            self._say(WorkReport(item_id=item.item_id, state="done"))
        self.look()
        while not (self._published or self._replays or self._ended):
            try:
                self._begin(self._waiting.get(timeout=self._linger_s))
            except queue.Empty:
                self._ended = True
        if self._replays and not self._ended:
            item = self._replays.popleft()
            # Before its first letter is counted: whoever hears nothing of it may send it again.
            self._say(WorkReport(item_id=item.item_id, state="begun"))
            self._at = item, Feed(replay_of_letters(self._store, item.letter_ids), self._session.send)
            return self()
        return not self._ended

    def _begin(self, item: WorkItem | None) -> None:
        if item is None:
            self._ended = True
        elif item.publication is None:
            self._replays.append(item)
        else:
            try:
                self._session.publish([item.publication.event()])
            except BadEvent as refused:
                self._say(WorkReport(item_id=item.item_id, state="refused", reason=refused.code))
            else:
                self._published.append(item)

    def _finish_published(self) -> None:
        for item in self._published:
            self._say(WorkReport(item_id=item.item_id, state="done"))
        self._published.clear()


def work(session: Session, store: DeadLetters, lines: Iterable[str], say: Callable[[WorkReport], None]) -> None:
    """Until nothing is left, or `lines` end. Raises what ended the work."""
    stop = threading.Event()
    feed = BackgroundFeed(session, store, say)
    threading.Thread(target=feed.take, args=(lines, stop), name="background work", daemon=True).start()
    session.run(stop, lambda _progress, _waiting: feed.look(), more=feed)
