"""What an output is sent with: the position of its source, and the key that its topic asks for."""

from stream.events.ids import asset_key
from stream.topology.topics import ANNOTATIONS
from tests.support.worker_kit import Kit


def test_outputs_carry_the_position_of_their_source() -> None:
    kit = Kit(lambda events: [event.derive(event.data, id=str(event.position)) for event in events])
    kit.publish("a")
    kit.settle()
    (output,) = kit.outputs()
    assert output.id == f"Position(topic='assets', partition=0, offset=0, append_time_ms={kit.clock.now_ms()})"


def test_outputs_have_the_keys_that_their_topic_asks_for() -> None:
    kit = Kit()
    follower = kit.broker.follow(ANNOTATIONS.name, 10)
    kit.publish("a", tenant="acme")
    kit.settle()
    assert [record.key for record in follower.poll(10, 0)] == [asset_key("acme", "a").encode()]
