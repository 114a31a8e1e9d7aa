"""The keys of what a worker sends are those that the topic asks for."""

from stream.events.ids import asset_key
from stream.topology.topics import ANNOTATIONS
from tests.support.worker_kit import Kit


def test_outputs_have_the_keys_that_their_topic_asks_for() -> None:
    kit = Kit()
    follower = kit.broker.follow(ANNOTATIONS.name, 10)
    kit.publish("a", tenant="acme")
    kit.settle()
    assert [record.key for record in follower.poll(10, 0)] == [asset_key("acme", "a").encode()]
