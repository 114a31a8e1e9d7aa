"""The hash that places keys is Kafka's."""

import pytest

from stream.events.murmur2 import murmur2, partition_of

# From `UtilsTest.testMurmur2` of Kafka's own tests.
KAFKA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", KAFKA)
def test_hashes_are_those_of_kafkas_own_tests(key: bytes) -> None:
    assert murmur2(key) == KAFKA[key] % 2**32


def test_a_multiple_of_shards_as_partitions_puts_each_partition_into_one_shard() -> None:
    keys = [f"asset {number}".encode() for number in range(2000)]
    shards: dict[int, set[int]] = {}
    for key in keys:
        shards.setdefault(partition_of(key, 12), set()).add(partition_of(key, 4))
    assert {partition: {partition % 4} for partition in range(12)} == shards
