"""The socket that the service answers at, and when it is ready."""

import socket
import threading
from pathlib import Path

import pytest

from benchmarks.testbed.waiting import wait_for
from stream.search.application import Search
from stream.service.server import ServiceOptions, listening
from tests.support.kept_work import KeptWork
from tests.support.service_desk import opened, two_tenants


def test_a_short_answer_does_not_wait_for_the_client_to_confirm_its_head(tmp_path: Path) -> None:
    with listening(ServiceOptions(tmp_path, port=0)) as at, socket.create_connection(at.getsockname()):
        taken, _ = at.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_it_is_ready_once_its_models_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores, goes_on, real = two_tenants(tmp_path), threading.Event(), Search.load

    def load(search: Search) -> None:
        assert goes_on.wait(60)
        real(search)

    monkeypatch.setattr(Search, "load", load)
    background = KeptWork()
    with opened(stores, tmp_path / "own", background=background, load=True, searchers=1) as desk:
        try:
            answer = desk.client.get("/readyz")
            assert (answer.status_code, answer.text) == (503, "models_loading\n")
        finally:
            goes_on.set()
        wait_for(lambda: desk.client.get("/readyz").text == "ready\n", "it is ready")
        # Nothing is left to load for the first search.
        monkeypatch.setattr("stream.search.encoding.load", None)
        assert desk.get("/v1/search", None, q="red").json()["hits"]
        background.words = "nothing is done"
        answer = desk.client.get("/readyz")
        assert (answer.status_code, answer.text) == (200, "ready, but nothing is done\n")


def test_it_is_ready_where_nothing_can_be_loaded(tmp_path: Path) -> None:
    with opened(tmp_path / "state", tmp_path / "own", load=True) as desk:
        wait_for(lambda: desk.client.get("/readyz").text == "ready\n", "it is ready")
        assert desk.get("/v1/search", None, q="red").json()["code"] == "empty_index"
