"""The jobs of a service in the process that works on them: taken from lines, and answered in lines."""

import queue
import threading
from collections.abc import Callable, Iterable

from sinks.dead_letters import DeadLetters
from stream.sessions.jobs import Job, JobReport, replay_of_letters
from stream.sessions.replay import Feed
from stream.sessions.session import Session

LINGER_S = 2.0
"""So long a process without work waits for more: models are loaded only once for what comes in a row."""


class JobFeed:
    """Feeds a run of `session` job by job. `say` takes what becomes of each."""

    def __init__(
        self, session: Session, store: DeadLetters, say: Callable[[JobReport], None], linger_s: float = LINGER_S
    ) -> None:
        self._session = session
        self._store = store
        self._say = say
        self._linger_s = linger_s
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._at: tuple[Job, Feed] | None = None

    def take(self, lines: Iterable[str], stop: threading.Event) -> None:
        """All lines; at their end who sends them is gone, and nothing new is begun."""
        for line in lines:
            self._waiting.put(Job.model_validate_json(line))
        stop.set()
        self._waiting.put(None)

    def __call__(self) -> bool:
        """Whether there was more to do. Whoever calls waits until all that was sent is processed."""
        while True:
            if self._at is not None:
                job, feed = self._at
                if feed():
                    return True
                self._at = None
                self._say(JobReport(job_id=job.job_id, state="done"))
            try:
                taken = self._waiting.get(timeout=self._linger_s)
            except queue.Empty:
                return False
            if taken is None:
                return False
            # Before its first letter is counted: whoever hears nothing of it may send it again.
            self._say(JobReport(job_id=taken.job_id, state="begun"))
            self._at = taken, Feed(replay_of_letters(self._store, taken.letter_ids), self._session.send)


def work(session: Session, store: DeadLetters, lines: Iterable[str], say: Callable[[JobReport], None]) -> None:
    """Until there are no more jobs, or `lines` end. Raises what ended the work."""
    stop = threading.Event()
    feed = JobFeed(session, store, say)
    threading.Thread(target=feed.take, args=(lines, stop), name="jobs", daemon=True).start()
    session.run(stop, lambda _progress, _waiting: None, more=feed)
