"""Where Kafka's clients put a key: the 32-bit MurmurHash2 of Kafka's `DefaultPartitioner`. Pure."""

_SEED = 0x9747B28C
_FACTOR = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash of Austin Appleby's MurmurHash2 with Kafka's seed, without a sign."""
    hashed = (_SEED ^ len(data)) & _MASK
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _FACTOR & _MASK
        word = (word ^ word >> 24) * _FACTOR & _MASK
        hashed = hashed * _FACTOR & _MASK ^ word
    if whole < len(data):
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _MASK
    hashed = (hashed ^ hashed >> 13) * _FACTOR & _MASK
    return hashed ^ hashed >> 15


def partition_of(key: bytes, count: int) -> int:
    """The partition of `key` among `count`, as librdkafka's `murmur2` and the Java client choose it."""
    # Kafka drops the sign bit instead of taking the absolute value.
    return (murmur2(key) & 0x7FFFFFFF) % count
