"""Footage that a service takes in is processed by the workers of a real cluster, through its tenant's own topic."""

from pathlib import Path

import httpx
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, rushes
from benchmarks.testbed.waiting import wait_for
from sinks.location import Location
from stream.events.asset import AssetPublished
from stream.events.tenants import TenantRegistered
from stream.topology.codec import EventDecoder
from stream.topology.tenants import tenant_topic
from tests.support.brokers import kafka_servers
from tests.support.deployed import Site
from tests.support.service_process import serving

pytestmark = pytest.mark.kafka


def test_uploads_and_publications_reach_the_workers(tmp_path: Path) -> None:
    state, footage, uploads = tmp_path / "state", tmp_path / "footage", tmp_path / "uploads"
    footage.mkdir()
    site = Site("uploads", light_settings(state, footage, uploads=Location.of(uploads)))
    cluster = ("--broker", f"kafka://{kafka_servers()}", "--deployment", "uploads")

    def told(*words: str) -> str:
        done = rushes(state, *words, *cluster)
        assert done.code == 0, done.err
        return done.out.strip()

    told("tenants", "add", "acme", "--region", "eu", "--partitions", "1")
    told("access", "give", "editor", "service:acme/camera", "--tenant", "acme")
    headers = {"authorization": f"Bearer {told('access', 'key', 'camera', '--tenant', 'acme')}"}
    sent = write_clip(tmp_path / "sent.mp4", seconds=3, fps=5, scenes=[3.0]).path.read_bytes()
    named = write_clip(footage / "named.mp4", seconds=3, fps=5, scenes=[3.0]).path
    with (
        site.running("gate", "plan", "decode", "understand", "index"),
        serving(state, *cluster, "--root", str(footage), before=("--uploads", str(uploads))) as (_, address),
        httpx.Client(base_url=address, headers=headers, timeout=60) as client,
    ):
        begun = client.post("/v1/uploads", params={"tenant": "acme"}, headers={"upload-length": str(len(sent))})
        assert begun.status_code == 201, begun.text
        part = {"upload-offset": "0", "content-type": "application/offset+octet-stream"}
        assert client.patch(begun.json()["path"], content=sent, headers=part).status_code == 204
        assert client.get(begun.json()["path"]).json()["state"] == "published"
        accepted = client.post("/v1/assets", json={"tenant": "acme", "uri": str(named)})
        assert accepted.status_code == 202, accepted.text
        paths = [begun.json()["asset"], accepted.json()["asset"]]

        def are_ready() -> bool:
            found = [client.get(path) for path in paths]
            return all(each.status_code == 200 and each.json()["asset"]["status"] == "ready" for each in found)

        wait_for(are_ready, "both are ready")
        assert [client.get(f"{path}/media").content for path in paths] == [sent, named.read_bytes()]
    topic = tenant_topic(TenantRegistered(tenant="acme"))
    tail = site.broker.tail(topic.name, from_start=True)
    events = [EventDecoder([topic]).decode(record) for record in tail.poll(10, 5.0)]
    tail.close()
    site.broker.close()
    assert [(event.source, event.region) for event in events] == [("upload", "eu"), ("api", "eu")]
    assert isinstance(events[1].data, AssetPublished)
    assert events[1].id == accepted.json()["publication_id"]
