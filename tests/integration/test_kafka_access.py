"""Roles and keys of a deployment on a cluster: the command line and a service of another process agree."""

import json
import shutil
from pathlib import Path

import httpx
import pytest

from benchmarks.testbed.runs import rushes
from benchmarks.testbed.waiting import wait_for
from stream.access.register_file import PEPPER
from tests.support.brokers import kafka_servers
from tests.support.service_process import serving

pytestmark = pytest.mark.kafka


def test_the_command_line_and_a_service_agree(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    cluster = ("--broker", f"kafka://{kafka_servers()}", "--deployment", "access-test")

    def access(*words: str, state: Path = here) -> str:
        done = rushes(state, "access", *words, *cluster)
        assert done.code == 0, done.err
        return done.out

    access("give", "viewer", "service:acme/newsroom", "--tenant", "acme")
    key = access("key", "newsroom", "--tenant", "acme").strip()
    refused = rushes(there, "serve", "--port", "0", *cluster)
    assert (refused.code, "other_pepper" in refused.err) == (2, True), refused.err
    shutil.copy(here / PEPPER, there / PEPPER)
    with serving(there, *cluster) as (_, address):

        def status() -> int:
            return httpx.get(f"{address}/v1/me", headers={"authorization": f"Bearer {key}"}, timeout=60).status_code

        assert status() == 200
        listed = json.loads(access("list", "--json", state=there))
        assert [item["kind"] for item in listed] == ["grant", "key"]
        access("revoke", listed[1]["key_id"])
        wait_for(lambda: status() == 401, "the revoked key is refused")
    assert not (here / "access.json").exists()
