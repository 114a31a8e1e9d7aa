"""Ports of a local node, and what is said when one cannot be made."""

import random
import shutil
import socket
from pathlib import Path

import pytest

from stream.broker.node import local as node_module
from stream.broker.node.local import LocalNode, fetch_jars, free_port
from stream.clock import SystemClock
from stream.errors import Fatal
from tests.support.brokers import kafka_jars

OUTGOING = 32_768  # where Linux begins with the ports of outgoing connections; other systems later


def test_ports_are_free_apart_and_never_an_outgoing_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_order(ports: range, k: int) -> list[int]:
        return list(ports)[:k]

    monkeypatch.setattr(random, "sample", in_order)
    first = free_port()
    second = free_port(besides=(first,))
    assert first < second < OUTGOING
    with socket.create_server(("127.0.0.1", first)):
        assert free_port() == second


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java")
@pytest.mark.kafka
def test_a_storage_that_cannot_be_made_is_explained_by_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()

    def same(besides: object = ()) -> int:
        return port

    monkeypatch.setattr(node_module, "free_port", same)
    with pytest.raises(Fatal, match="two listeners on the same port"):
        LocalNode(tmp_path, SystemClock(), port=port).up(kafka_jars())
    assert not (tmp_path / "data").exists()


def test_a_program_that_is_missing_is_named_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Fatal, match=r"Maven is missing: install it .*apt install maven") as maven:
        fetch_jars(tmp_path / "cache")
    with pytest.raises(Fatal, match=r"Java 17 or newer is missing: install it .*apt install default-jre") as java:
        LocalNode(tmp_path / "node", SystemClock()).up(tmp_path)
    assert {maven.value.code, java.value.code} == {"program_missing"}
    assert not list(tmp_path.iterdir()), "nothing is half made"


def test_the_list_of_jars_lies_in_the_tree() -> None:
    assert node_module.POM.is_file()
