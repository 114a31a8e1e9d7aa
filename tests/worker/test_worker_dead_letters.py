"""Dead letters when what writes or reads them fails itself."""

from collections.abc import Iterable

import pytest

from stream.errors import StageError
from stream.events.base import Event
from stream.topology.topics import ASSETS, DEAD_LETTERS
from tests.support.worker_kit import Kit, Scripted
from tests.worker.test_worker_errors import SECRET, bad_media, failing


class Clumsy(Scripted):
    def failed(self, event: Event, error: StageError) -> Iterable[Event]:
        raise ValueError(SECRET)

    def replayable(self, event: Event) -> Event:
        raise ValueError(SECRET)


def test_a_defect_in_the_error_path_still_writes_the_letter(caplog: pytest.LogCaptureFixture) -> None:
    kit = Kit(operator=Clumsy(failing("a", error=bad_media)))
    kit.publish("a")
    kit.settle()
    (dead_letter,) = kit.dead_letters()
    assert (dead_letter.topic, dead_letter.code) == (ASSETS.name, "no_video")
    assert kit.pending() == 0
    assert SECRET not in caplog.text


def test_an_unusable_dead_letter_is_dropped_and_counted() -> None:
    kit = Kit()
    kit.worker = kit.new_worker(sources=(DEAD_LETTERS.name,))
    kit.worker.step()
    kit.broker.producer().send(DEAD_LETTERS.name, b"", b"garbage", {})
    kit.settle()
    assert kit.worker.state.outcomes == {"dropped": 1}
    assert kit.broker.backlog(DEAD_LETTERS.name, "echo").records == 0
    assert kit.broker.kept(DEAD_LETTERS.name).records == 0
