"""A memory broker seen from beside, as `stream.broker.kafka.watch` sees a cluster. Topics have one partition."""

from collections.abc import Iterator, Mapping, Sequence

from stream.broker.contract import Record
from stream.broker.memory.broker import MemoryBroker
from stream.broker.observation import ClusterView, GroupOffset, Key


class MemoryWatch:
    """Follows `topics` from now on. `members` is how many each group has, by hand."""

    def __init__(self, broker: MemoryBroker, topics: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
        self._broker = broker
        self._groups = groups
        self._followers = {topic: broker.follow(topic, 0) for topic in topics}
        self._news: dict[str, list[Record]] = {topic: [] for topic in topics}
        self._ends = dict.fromkeys(topics, 0)
        self.members: dict[str, int] = {}

    def observe(self, others: Sequence[str]) -> ClusterView:
        left = {
            (stage, topic): self._broker.backlog(topic, stage).records
            for stage, topics in self._groups.items()
            for topic in topics
        }
        for topic, follower in self._followers.items():
            while records := follower.poll(1000, 0.0):
                self._news[topic] += records
                self._ends[topic] = records[-1].offset + 1
        places = [
            GroupOffset(stage, topic, 0, self._ends[topic] - count, self._ends[topic])
            for (stage, topic), count in left.items()
        ]
        return ClusterView(places, dict(self.members), {(topic, 0): self._ends.get(topic, 0) for topic in others})

    def read(self, ends: Mapping[Key, int]) -> Iterator[Sequence[Record]]:
        for topic, _ in ends:
            news, self._news[topic] = self._news[topic], []
            yield news

    def restart(self) -> None: ...

    def remember(self, topic: str, places: Mapping[int, int]) -> None: ...

    def close(self) -> None:
        for follower in self._followers.values():
            follower.close()
