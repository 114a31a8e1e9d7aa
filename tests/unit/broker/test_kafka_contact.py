"""When a member says that its cluster does not answer. Pure: what librdkafka and the coordinator say is made up."""

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException
from prometheus_client import CollectorRegistry

from stream.broker.kafka.contact import Reachability
from stream.observability.metrics import Metrics, StageMetrics
from stream.observability.status import Status

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN)


def silence() -> None:
    raise KafkaException(KafkaError(KafkaError._TRANSPORT))


def no_question() -> None:
    raise AssertionError("nobody is to be asked")


def looked(reach: Reachability, *asks: Callable[[], object]) -> list[bool]:
    """After each look: whether there is trouble."""
    found = []
    for ask in asks:
        reach.verify(ask)
        found.append(reach.trouble is not None)
    return found


def joined() -> Reachability:
    """Of a member that has its place in the group."""
    reach = Reachability()
    reach.assigned()
    return reach


def test_who_has_no_place_in_the_group_yet_is_not_well() -> None:
    """The broker may hang, or another member may keep the group waiting: librdkafka tells of neither."""
    reach = Reachability()
    assert reach.trouble == "unavailable: joining its group"
    reach.on_error(DOWN)
    reach.verify(silence)
    assert reach.trouble == "unavailable: the broker does not answer"
    reach.verify(list)
    assert reach.trouble == "unavailable: joining its group"
    reach.assigned()
    assert reach.trouble is None


def test_an_outage_lasts_from_the_first_silence_to_the_first_answer() -> None:
    reach = joined()
    assert looked(reach, no_question) == [False]
    reach.on_error(DOWN)
    assert looked(reach, silence, silence, list, no_question) == [True, True, False, False]


def test_an_idle_connection_that_was_closed_is_no_outage() -> None:
    reach = joined()
    reach.on_error(DOWN)
    assert reach.trouble is None
    assert looked(reach, list, no_question) == [False, False]


def test_one_broker_of_many_is_no_outage() -> None:
    reach = joined()
    reach.on_error(KafkaError(KafkaError._TRANSPORT))
    assert looked(reach, no_question) == [False]


def test_who_lost_his_place_is_well_when_he_has_one_again() -> None:
    reach = joined()
    reach.on_error(DOWN)
    reach.lost()
    assert looked(reach, silence, list) == [True, True]
    assert reach.trouble == "unavailable: joining its group again"
    reach.assigned()
    assert reach.trouble is None


def test_a_worker_in_the_midst_of_work_is_not_ready_without_its_broker() -> None:
    status = Status("index", StageMetrics(Metrics(CollectorRegistry()), "index"))
    status.ready(True)
    assert status.snapshot(delayed=0).ready
    seen = status.snapshot(delayed=0, trouble="unavailable: the broker does not answer")
    assert (seen.ready, seen.paused) == (False, "unavailable: the broker does not answer")
    assert status.snapshot(delayed=0).ready
