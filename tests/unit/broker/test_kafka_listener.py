"""Whatever answers at an address, asking what it speaks comes to an end with an answer or with none."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import KafkaError

from stream.broker.kafka.contact import Refusals
from stream.broker.kafka.listener import Listener, ask, protocol_of
from stream.errors import Fatal

SCRAM = b"\x00\x0dSCRAM-SHA-512"


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Sends the same to whoever connects, whatever they say, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):  # in the clear, then by TLS
                connection, _ = server.accept()
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        socket.create_connection(server.getsockname()).close()  # one that was not asked twice ends too
        thread.join()


def framed(correlation: int, error: int, count: int, names: bytes) -> bytes:
    body = struct.pack(">ihi", correlation, error, count) + names
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (framed(1, 33, 1, SCRAM), Listener(tls=False, mechanisms=("SCRAM-SHA-512",))),
        (framed(1, 34, 0, b""), Listener(tls=False, mechanisms=())),
    ],
)
def test_an_answer_tells_what_is_spoken(answer: bytes, found: Listener) -> None:
    with answering(answer) as server:
        assert ask(["127.0.0.1:1", server], 5.0) == (server, found)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        framed(1, 33, 1, SCRAM)[:-3],
        framed(1, 33, 9, SCRAM),
        framed(7, 33, 1, SCRAM),
        struct.pack(">i", 2**31 - 1) + b"x" * 64,
    ],
)
def test_what_is_no_answer_of_kafka_tells_nothing(answer: bytes) -> None:
    with answering(answer) as server:
        assert ask([server], 5.0) is None


def test_protocols_have_the_names_of_client_properties() -> None:
    assert str(Listener(tls=True, mechanisms=("SCRAM-SHA-512",))) == "SASL_SSL (SCRAM-SHA-512)"
    assert [Listener(tls=tls, mechanisms=()).protocol for tls in (False, True)] == ["PLAINTEXT", "SSL"]
    assert protocol_of({}) == "PLAINTEXT"
    assert protocol_of({"security.protocol": "sasl_ssl"}) == "SASL_SSL"


def test_passing_trouble_is_no_refusal_and_the_first_refusal_stays() -> None:
    refusals = Refusals()
    refusals.on_error(KafkaError(KafkaError._TRANSPORT))
    refusals.check()
    refusals.on_error(KafkaError(KafkaError._AUTHENTICATION, "first"))
    refusals.on_error(KafkaError(KafkaError._SSL, "second"))
    with pytest.raises(Fatal, match=r"first; check sasl\.username") as refused:
        refusals.check()
    assert refused.value.code == "unauthenticated"
