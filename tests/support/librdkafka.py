"""The C library beneath confluent-kafka, for what its Python face does not offer."""

import ctypes
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, Producer, cimpl

_LIBRARY = ctypes.CDLL(cimpl.__file__)  # its dependencies are looked through too
_LIBRARY.rd_kafka_conf_new.restype = _LIBRARY.rd_kafka_new.restype = ctypes.c_void_p
_PRODUCER = 0
_END, _TOPIC, _VALUE, _HEADER = (ctypes.c_int(number) for number in (0, 1, 4, 9))  # of `rd_kafka_vtype_t`
FLUSH_MS = 30_000


def send_raw(servers: str, topic: str, value: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """As clients in C, Go or Rust may: names of headers are any bytes but zero."""
    told = ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(_LIBRARY.rd_kafka_conf_new())
    assert _LIBRARY.rd_kafka_conf_set(conf, b"bootstrap.servers", servers.encode(), told, len(told)) == 0, told.value
    client = ctypes.c_void_p(_LIBRARY.rd_kafka_new(_PRODUCER, conf, told, ctypes.c_size_t(len(told))))
    assert client, told.value
    fields: list[Any] = [_TOPIC, topic.encode(), _VALUE, value, ctypes.c_size_t(len(value))]
    for name, content in headers:
        fields += [_HEADER, name, content, ctypes.c_ssize_t(len(content))]
    copied = [ctypes.c_int(7), ctypes.c_int(2)]  # the message flags: copy the value
    assert _LIBRARY.rd_kafka_producev(client, *fields, *copied, _END) == 0
    assert _LIBRARY.rd_kafka_flush(client, FLUSH_MS) == 0
    _LIBRARY.rd_kafka_destroy(client)


def break_for_good(client: Producer) -> None:
    """As what befalls an idempotent producer whose records a broker takes for out of order: it can send no more."""
    handle = ctypes.c_void_p.from_address(id(client) + object.__basicsize__)  # the first member of its struct
    code = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert _LIBRARY.rd_kafka_test_fatal_error(handle, code, b"out of order") == 0
