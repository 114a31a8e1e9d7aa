"""How a topic is configured in Kafka (pure)."""

from collections.abc import Mapping

from stream.broker.contract import TopicSpec

_OVERHEAD_BYTES = 64 * 1024
"""What Kafka's framing may add to a record of the largest size."""
_COMMON: Mapping[str, str] = {
    "cleanup.policy": "delete",
    "retention.bytes": "-1",
    # (append time, offset) orders asset versions, and a producer's clock must not decide that order.
    "message.timestamp.type": "LogAppendTime",
}


def topic_config(spec: TopicSpec) -> dict[str, str]:
    """Settings by name, as Kafka prints them."""
    return {
        **_COMMON,
        "max.message.bytes": str(spec.max_message_bytes + _OVERHEAD_BYTES),
        # Age must never delete unprocessed work; `trim` deletes what every declared group has acknowledged (ADR 0017).
        "retention.ms": str(-1 if spec.retention_ms is None else spec.retention_ms),
    }
