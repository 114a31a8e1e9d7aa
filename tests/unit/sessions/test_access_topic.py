"""The register of access on a topic: every process reads the same, and what it cannot read gives nobody anything."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.testbed.waiting import wait_for
from stream.access.actions import AccessRole
from stream.access.records import Grant, Team
from stream.access.register_file import PEPPER
from stream.broker.contract import TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock
from stream.errors import Fatal, Unavailable
from stream.events.access import AccessRecorded, AccessTaken
from stream.events.base import Payload
from stream.sessions.access_topic import RegisterTopic
from stream.sessions.deployment_register import announce
from stream.topology.topics import ACCESS

CLOCK = ManualClock()
GRANT = Grant(tenant="acme", role=AccessRole.VIEWER, holder="team:cutters", given_by="os:root", given_at_ms=1)
TEAM = Team(tenant="acme", name="cutters", members=("service:acme/bot",))
Open = Callable[[str], RegisterTopic]


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(CLOCK)


@pytest.fixture
def opened(broker: MemoryBroker, tmp_path: Path) -> Iterator[Open]:
    """The register of a process with a state directory of this name."""
    with ExitStack() as ends:

        def process(name: str) -> RegisterTopic:
            found = RegisterTopic(broker, CLOCK, tmp_path / name)
            ends.callback(found.close)
            return found

        yield process


def says(broker: MemoryBroker, word: Payload) -> None:
    announce(broker, [word], CLOCK.now_ms(), topic=ACCESS)


def recorded(record: Grant | Team) -> AccessRecorded:
    return AccessRecorded(name=record.key, record=record.model_dump(mode="json"))


def test_a_change_is_in_the_own_view_at_once_and_in_that_of_who_comes_later(opened: Open) -> None:
    one = opened("one")
    before = one.register()
    one.put(GRANT)
    one.put(TEAM)
    assert [grant for grant, _ in one.register().grants_of("service:acme/bot")] == [GRANT]
    # A request that is under way keeps what it began with.
    assert before.records() == []
    other = opened("other")
    assert other.register().records() == [GRANT, TEAM]
    assert other.take(GRANT.key)
    assert not other.take(GRANT.key)
    assert opened("third").register().records() == [TEAM]


def test_a_change_of_another_process_comes_by_itself(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    other.put(TEAM)
    # Its own next change comes after the other's, so both are there when it returns.
    one.put(GRANT)
    assert one.register().records() == [GRANT, TEAM]


class AwayBroker(MemoryBroker):
    """`away`: it does not answer. Each question releases one of `asked`."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.away = False
        self.asked = threading.Semaphore(0)

    def ensure(self, topics: Iterable[TopicSpec]) -> None:
        self.asked.release()
        if self.away:
            raise Unavailable("no answer", code="broker_unavailable")
        super().ensure(topics)

    def turns(self, *, away: bool) -> None:
        """Returns when a question that began afterwards has had its effect."""
        self.away = away
        while self.asked.acquire(blocking=False):
            pass
        for _ in range(3):
            assert self.asked.acquire(timeout=30)


def test_rights_end_where_the_cluster_is_away_for_long_and_come_back_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    broker = AwayBroker(clock)
    found = RegisterTopic(broker, clock, tmp_path, oldest_s=60, ask_s=0.005)
    try:
        found.put(GRANT)
        broker.turns(away=True)
        assert "rights are those of before" in caplog.text
        clock.advance(60)
        assert found.register().records() == [GRANT]
        clock.advance(1)
        with pytest.raises(Unavailable, match="not answered for 60 s") as caught:
            found.register()
        assert caught.value.code == "broker_unavailable"
        broker.turns(away=False)
        assert found.register().records() == [GRANT]
    finally:
        found.close()


def test_what_is_not_understood_gives_nobody_anything(broker: MemoryBroker, opened: Open) -> None:
    one = opened("one")
    one.put(GRANT)
    says(broker, AccessRecorded(name=GRANT.key, record={"kind": "grant", "role": "demigod"}))
    says(broker, AccessRecorded(name="another name", record=GRANT.model_dump(mode="json")))
    producer = broker.producer()
    producer.send(ACCESS.name, b"x", b"no event", {})
    producer.flush(1.0)
    one.put(TEAM)
    assert one.register().records() == [TEAM]
    assert opened("other").register().records() == [TEAM]


def test_the_order_of_the_topic_decides(broker: MemoryBroker, opened: Open) -> None:
    opened("one")
    for word in (recorded(GRANT), AccessTaken(name=GRANT.key), recorded(TEAM), recorded(GRANT)):
        says(broker, word)
    assert opened("other").register().records() == [GRANT, TEAM]


def test_all_processes_share_the_secret_of_keys(opened: Open, tmp_path: Path) -> None:
    first = opened("one").pepper()
    with pytest.raises(Fatal, match="copy the file") as caught:
        opened("other").pepper()
    assert caught.value.code == "other_pepper"
    copy = tmp_path / "copy" / PEPPER
    copy.parent.mkdir()
    copy.write_bytes((tmp_path / "one" / PEPPER).read_bytes())
    copy.chmod(0o600)
    assert opened("copy").pepper() == first


def test_a_register_that_is_not_read_any_more_gives_nobody_anything(
    broker: MemoryBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    found = RegisterTopic(broker, CLOCK, tmp_path)
    found.put(GRANT)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(found._follower, "poll", broken)
    found._thread.join(10)
    with pytest.raises(Unavailable):
        found.register()
    found.close()


def test_a_record_is_exchanged_only_for_what_is_there(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    one.put(TEAM)
    fewer, none = TEAM.model_copy(update={"members": ()}), TEAM.model_copy(update={"members": ("service:acme/x",)})
    assert one.exchange(TEAM, fewer)
    assert not one.exchange(TEAM, none)
    assert one.register().records() == [fewer]
    # What was taken meanwhile does not come back, whoever reads the words.
    assert one.take(TEAM.key)
    assert not one.exchange(fewer, none)
    wait_for(lambda: other.register().records() == [], "the other has read all of it")
    assert opened("third").register().records() == []
