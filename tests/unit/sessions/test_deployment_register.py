"""Who may work under a deployment's name: the first stores, the first models of the latest roll-out."""

import threading

import pytest

from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock
from stream.errors import Fatal
from stream.events.aim import Aim
from stream.events.deployment import StoresClaimed
from stream.sessions.deployment_register import DeploymentMember, Register, announce
from stream.topology.topics import DEPLOYMENTS

MINE, OTHERS = (StoresClaimed(stores=name * 32, place=f"host:/{name}") for name in "ab")
OLD, SAME, NEW = (
    Aim(space=space, understand=digest, epoch_ms=epoch_ms)
    for space, digest, epoch_ms in (("s1", "d1", 1), ("s1", "d1", 2), ("s2", "d2", 2))
)


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker(ManualClock())
    made.ensure([DEPLOYMENTS.spec(1)])
    return made


def enter(broker: MemoryBroker, stores: StoresClaimed | None = None, aim: Aim | None = None) -> Register:
    register = Register(broker, DeploymentMember("rushes", stores, aim))
    register.enter(1)
    return register


def refusal(broker: MemoryBroker, stores: StoresClaimed | None = None, aim: Aim | None = None) -> Fatal:
    with pytest.raises(Fatal) as refused:
        enter(broker, stores, aim)
    return refused.value


def test_the_first_stores_are_the_deployments(broker: MemoryBroker) -> None:
    for _ in range(2):
        enter(broker, MINE)
    assert broker.kept(DEPLOYMENTS.name).records == 1
    error = refusal(broker, OTHERS)
    assert error.code == "other_stores"
    assert "host:/a" in error.message
    assert "host:/b" in error.message
    enter(broker)  # opens none


def test_of_two_that_come_at_once_the_first_word_stands(broker: MemoryBroker) -> None:
    late = Register(broker, DeploymentMember("rushes", OTHERS))
    late._receive_all()
    announce(broker, [MINE], 1)
    with pytest.raises(Fatal, match="host:/a"):
        late.enter(1)


def test_adopted_stores_take_the_place_of_the_first(broker: MemoryBroker) -> None:
    enter(broker, MINE)
    announce(broker, [OTHERS.model_copy(update={"adopted": True})], 1)
    enter(broker, OTHERS)
    assert refusal(broker, MINE).code == "other_stores"


def test_other_models_in_the_same_roll_out_are_refused(broker: MemoryBroker) -> None:
    enter(broker, aim=SAME)
    error = refusal(broker, aim=NEW)
    assert error.code == "other_models"
    assert all(word in error.message for word in ("s1", "s2", "roll-out 2", "--epoch-ms"))


@pytest.mark.parametrize(("first", "second"), [(OLD, NEW), (OLD, SAME), (SAME, OLD), (NEW, NEW)])
def test_a_later_roll_out_and_the_same_models_are_taken(broker: MemoryBroker, first: Aim, second: Aim) -> None:
    enter(broker, aim=first)
    enter(broker, aim=second)


def test_other_models_of_an_earlier_roll_out_are_refused(broker: MemoryBroker) -> None:
    enter(broker, aim=NEW)
    assert refusal(broker, aim=OLD).code == "other_models"


@pytest.mark.parametrize(
    ("member", "word", "ends"),
    [
        (DeploymentMember("rushes", aim=OLD), DeploymentMember("rushes", aim=NEW), True),
        (DeploymentMember("rushes", aim=OLD), DeploymentMember("rushes", aim=SAME), False),
        (DeploymentMember("rushes"), DeploymentMember("rushes", aim=NEW), False),
    ],
)
def test_who_works_ends_when_a_later_roll_out_has_other_models(
    broker: MemoryBroker, member: DeploymentMember, word: DeploymentMember, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.sessions.deployment_register.WATCH_S", 0.0)
    register, stop = Register(broker, member), threading.Event()
    register.enter(1)
    Register(broker, word).enter(1)
    errors: list[Fatal] = []

    def watch() -> None:
        try:
            register.watch(stop)
        except Fatal as error:
            errors.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    if not ends:
        while register._follower.behind:  # until it has heard
            pass
        stop.set()
    thread.join(10)
    assert [error.code for error in errors] == ["other_models"] * ends


def test_what_is_none_of_ours_is_passed_over(broker: MemoryBroker) -> None:
    broker.producer().send(DEPLOYMENTS.name, b"", b"garbage", {})
    enter(broker, MINE)
    assert refusal(broker, OTHERS).code == "other_stores"
