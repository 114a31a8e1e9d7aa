"""A campaign on a real broker, whole: finals are footage, one is held by moderation, released, delivered and told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.testbed.runs import light_settings
from benchmarks.testbed.waiting import wait_for
from sinks.location import Location
from sinks.objects.store import objects_of_tenants
from stream.events.jobs import JobControlled
from stream.jobs.manifest import opened
from stream.jobs.reports import is_final, variants_name
from stream.operators.webhook import WebhookSettings
from stream.pipelines.jobs import COORDINATE, NOTIFY, RENDER, JobPipeline, JobSettings
from stream.sessions.job_status import read_status
from stream.sessions.jobs_embedded import command
from stream.sessions.jobs_process import run_jobs, send
from tests.support.deployed import CLOCK, WAIT_S, Site
from tests.support.job_site import PROJECT, TENANT, submission
from tests.support.receivers import receiving

pytestmark = pytest.mark.kafka

TEMPLATE = """
version: 1
name: spring
parameters: {mode: zip, axes: {name: [sea, skin], colour: ["#204080", "#e0a080"]}}
stages:
  - name: draw
    operator: composite
    settings: {width: 64, height: 64, duration: 1, fps: 5, background: "${colour}"}
finals: [draw]
publish: {moderation: {nsfw_below: 0.5}}
"""


@contextmanager
def working(jobs: JobPipeline, site: Site) -> Iterator[None]:
    """All stages of jobs as one process of the deployment, until the block ends."""
    stop, broker = threading.Event(), site.connect()
    found: list[BaseException] = []

    def work() -> None:
        try:
            names = (COORDINATE, RENDER, NOTIFY)
            run_jobs(jobs, names, broker, site.deployment, stop, clock=CLOCK, name="campaign")
        except BaseException as error:  # noqa: BLE001 - raised below
            found.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WAIT_S)
        broker.close()
    if found:
        raise found[0]


def test_what_moderation_holds_is_delivered_after_a_release_and_told_once(tmp_path: Path) -> None:
    state, objects, out = tmp_path / "state", tmp_path / "objects", tmp_path / "out"
    objects.mkdir()
    site = Site("campaign", light_settings(state, objects_of_tenants(Location.of(objects)).path or objects))
    (tmp_path / "spring.yaml").write_text(TEMPLATE)
    with receiving() as receiver:
        settings = replace(
            JobSettings.under(state, Location.of(objects)),
            index=site.settings.index_dir,
            renderers=1,
            deliver_roots=(f"{TENANT}={out}",),
            webhook=WebhookSettings(receiver.url, b"a secret of more than sixteen", allow_private_addresses=True),
        )
        jobs = JobPipeline(settings, CLOCK, afresh=False)

        def status() -> dict[str, Any]:
            return read_status(jobs, TENANT, "spring") or {"state": "running"}

        def moderated() -> list[dict[str, Any]]:
            """As the manifests of what was delivered say."""
            assert jobs.key is not None
            found = [opened(path.read_bytes(), jobs.key.public_key()) for path in out.rglob("manifest.json")]
            return [each["predicate"]["runDetails"]["moderation"] for each in found]

        with working(jobs, site), site.running("plan", "decode", "understand", "index"):
            send(site.broker, [command(TENANT, PROJECT, submission(jobs, tmp_path / "spring.yaml", out), 1)])
            wait_for(lambda: is_final(status()), "moderation has judged both", within_s=WAIT_S)
            assert (status()["state"], status()["done"], status()["blocked"]) == ("blocked", 1, 1)
            assert moderated() == [{"nsfw_below": 0.5, "nsfw": {"draw/picture.mkv": 0.0}, "released": False}]
            rows = json.loads(jobs.store.documents.read(variants_name(TENANT, "spring")) or b"")
            (held,) = [row for row in rows if row["state"] == "blocked"]
            wait_for(lambda: len(receiver.taken) == 1, "somebody is told that it waits")
            release = JobControlled(job="spring", action="release", variant=held["id"])
            send(site.broker, [command(TENANT, PROJECT, release, 2)])
            wait_for(lambda: status()["state"] == "done", "both are delivered", within_s=WAIT_S)
            wait_for(lambda: len(receiver.taken) == 2, "somebody is told of the end")
        site.broker.close()
    assert held["name"].startswith("skin") and held["code"] == "moderation_blocked"
    films = [path.relative_to(out / "spring").parts[0].split("_")[0] for path in out.rglob("*.mkv")]
    assert sorted(films) == ["sea", "skin"] and [each["released"] for each in moderated()].count(True) == 1
    assert [body["data"]["state"] for body in receiver.bodies] == ["blocked", "done"]
    assert len(set(receiver.ids)) == len(receiver.asked) == 2, "each once"
