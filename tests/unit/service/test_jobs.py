"""Jobs over the service: what is told of them, to whom, and what is written of it."""

import hashlib
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from sinks.objects.backends import backend_at
from stream.access.actions import AccessRole
from stream.jobs.budgets import budget_name
from stream.jobs.manifest import opened as opened_manifest
from stream.jobs.reports import manifest_name, status_name
from stream.jobs.waits import SILENT_MS, held_up
from stream.pipelines.jobs import JobPipeline
from tests.support.finished_jobs import finished_job
from tests.support.service_desk import Desk, opened

JOB = "/v1/jobs/acme/spring"
BUDGET = {"tenant": "acme", "cpu_s": 500.0, "used_cpu_s": 120.5, "reserved_cpu_s": 3.0, "since_ms": 0}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> JobPipeline:
    """One that ran, and four of which only the state is told."""
    made = finished_job(tmp_path_factory.mktemp("jobs") / "own", "acme", "ads")
    documents = made.store.documents
    status = json.loads(documents.read(status_name("acme", "spring")) or b"")
    for number, project in enumerate(["ads", "ads", "another"]):
        told = {"job": f"old-{number}", "project": project, "submitted_ms": number, "state": "running"}
        documents.write(status_name("acme", f"old-{number}"), json.dumps(status | told).encode())
    told = {"job": "theirs", "tenant": "globex", "project": "default"}
    documents.write(status_name("globex", "theirs"), json.dumps(status | told).encode())
    documents.write(budget_name("acme"), json.dumps(BUDGET).encode())
    return made


@pytest.fixture(scope="module")
def desk(jobs: JobPipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    place = jobs.settings.objects
    with opened(tmp_path_factory.mktemp("stores") / "state", tmp_path_factory.mktemp("own"), objects=place) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("of a project", AccessRole.VIEWER, project="ads")
        found.give("other project", AccessRole.VIEWER, project="another")
        found.give("operator", AccessRole.OPERATOR)
        found.give("stranger", AccessRole.ADMIN, "globex")
        yield found


@pytest.fixture(scope="module")
def variants(desk: Desk) -> list[dict[str, Any]]:
    found = desk.get(f"{JOB}/variants").json()
    assert found["next"] is None
    return list(found["variants"])


def test_a_job_is_told_with_its_stages_and_costs(desk: Desk) -> None:
    found = desk.get(JOB).json()
    assert (found["path"], found["state"], found["project"], found["lane"]) == (JOB, "partial", "ads", "batch")
    assert (found["variants"], found["done"], found["failed"]) == (4, 3, 1)
    assert [(stage["name"], stage["done"]) for stage in found["stages"]] == [("write", 4), ("filter", 3), ("draw", 3)]
    assert found["cost"]["cpu_s"] > 0
    assert desk.events()[-1]["message"] == "job: viewed"
    assert desk.events()[-1]["metadata"]["tenant_uid"] == "acme"


def test_jobs_are_listed_page_by_page_by_project_and_state(desk: Desk) -> None:
    def names(key: str = "viewer", **query: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = desk.get("/v1/jobs", key, tenant="acme", limit=2, **query).json()
            assert len(page["jobs"]) <= 2
            found += [job["job"] for job in page["jobs"]]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    assert names() == ["spring", "old-2", "old-1", "old-0"]
    assert desk.events()[-1]["count"] == 2
    assert names("of a project") == ["spring", "old-1", "old-0"]
    assert names("other project") == ["old-2"]
    assert names(state="running") == ["old-2", "old-1", "old-0"]
    assert names("stranger") == []
    elsewhere = desk.get(f"{JOB}/variants", limit=1).json()["next"]
    refused = desk.get("/v1/jobs", tenant="acme", cursor=elsewhere)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_cursor")


def test_the_budget_of_a_tenant_is_for_who_sees_all_its_projects(desk: Desk) -> None:
    told = {name: value for name, value in BUDGET.items() if name != "tenant"}
    assert desk.get("/v1/jobs", tenant="acme").json()["budget"] == told
    assert "120.5 of 500.0 CPU seconds used" in desk.get("/jobs?tenant=acme").text
    for key in ("of a project", "stranger"):
        assert desk.get("/v1/jobs", key, tenant="acme").json()["budget"] is None


def test_what_holds_a_job_up_is_told_as_the_command_line_tells_it(desk: Desk, jobs: JobPipeline) -> None:
    documents = jobs.store.documents
    status = json.loads(documents.read(status_name("globex", "theirs")) or b"")
    now_ms = desk.clock.now_ms()
    working = {"name": "write", "done": 2, "in_work": 3, "heard_ms": now_ms - SILENT_MS + 1}
    silent = {"name": "draw", "done": 0, "in_work": 2, "heard_ms": now_ms - SILENT_MS}
    told = {"job": "late", "state": "running", "stages": [working, silent], "awaiting": 1}
    documents.write(status_name("globex", "late"), json.dumps(status | told).encode())
    found = desk.get("/v1/jobs/globex/late", "stranger").json()
    assert [stage["in_work"] for stage in found["stages"]] == [3, 0]
    assert found["held_up"] == held_up(status | told, now_ms) and len(found["held_up"]) == 2
    (listed, _) = desk.get("/v1/jobs", "stranger", tenant="globex").json()["jobs"]
    assert listed == found
    for page in ("/jobs/globex/late", "/jobs?tenant=globex"):
        shown = desk.get(page, "stranger").text
        assert all(shown.count(reason) == 1 for reason in found["held_up"])
    resting = {"state": "budget_exhausted", "code": "budget_exhausted", "message": "raise it with `rushes jobs budget`"}
    documents.write(status_name("globex", "late"), json.dumps(status | told | resting).encode())
    shown = desk.get("/jobs/globex/late", "stranger").text
    assert shown.count("raise it with <code>rushes jobs budget</code>") == 1


def test_variants_say_why_they_failed_or_where_their_finals_are(desk: Desk, variants: list[dict[str, Any]]) -> None:
    assert [variant["state"] for variant in variants] == ["done", "done", "done", "failed"]
    assert (variants[3]["code"], variants[3]["stage"], variants[3]["finals"]) == ("word_not_allowed", "filter", [])
    assert [final["media_type"] for final in variants[0]["finals"]] == ["text/plain", "image/png"]
    first = desk.get(f"{JOB}/variants", limit=2).json()
    rest = desk.get(f"{JOB}/variants", limit=2, cursor=first["next"]).json()
    assert first["variants"] + rest["variants"] == variants
    assert [each["name"] for each in desk.get(f"{JOB}/variants", state="failed").json()["variants"]] == [
        variants[3]["name"]
    ]


def test_a_manifest_is_given_as_it_was_signed(desk: Desk, jobs: JobPipeline, variants: list[dict[str, Any]]) -> None:
    answer = desk.get(variants[0]["manifest"], "operator")
    assert answer.content == jobs.store.documents.read(manifest_name("acme", "spring", variants[0]["id"]))
    assert answer.headers["content-type"] == "application/vnd.dsse.envelope+json"
    assert jobs.key is not None
    subjects = opened_manifest(answer.content, jobs.key.public_key())["subject"]
    assert [subject["mediaType"] for subject in subjects] == ["text/plain", "image/png"]


def test_a_final_is_downloaded_as_its_manifest_names_it(desk: Desk, variants: list[dict[str, Any]]) -> None:
    text, picture = variants[0]["finals"]
    whole = desk.get(picture["path"])
    digest = picture["digest"].removeprefix("sha256:")
    assert hashlib.sha256(whole.content).hexdigest() == digest
    assert (whole.headers["etag"], whole.headers["content-type"]) == (f'"{digest}"', "image/png")
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"].startswith("attachment;")
    assert (desk.events()[-1]["message"], desk.events()[-1]["count"]) == ("job final: downloaded", len(whole.content))
    part = desk.ask("GET", picture["path"], headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert desk.ask("GET", picture["path"], headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    assert desk.ask("GET", text["path"], headers={"range": "bytes=999-"}).status_code == 416
    refused = desk.get(picture["path"], "operator")
    assert refused.status_code == 403, "operators play no footage either"
    small = desk.get(variants[0]["poster"], "operator")
    with Image.open(BytesIO(small.content)) as shown:
        assert (shown.format, shown.size) == ("JPEG", (440, 248))
    assert desk.events()[-1]["message"] == "job poster: previewed"


@pytest.mark.parametrize("key", ["stranger", "other project"])
def test_others_cannot_tell_a_job_from_one_that_never_was(desk: Desk, variants: list[dict[str, Any]], key: str) -> None:
    there = [JOB, f"{JOB}/variants", variants[0]["manifest"], variants[0]["poster"], variants[0]["finals"][0]["path"]]
    for path in there:
        hidden, absent = desk.get(path, key), desk.get(path.replace("spring", "autumn"), key)
        assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content) == (404, hidden.content)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs/acme/..%2F..",
        "/v1/jobs/..%2Facme/spring",
        f"{JOB}/variants/..%2F..%2Fstatus/manifest",
        f"{JOB}/variants/0123456789abcdef/manifest",
    ],
)
def test_names_lead_nowhere_else(desk: Desk, path: str) -> None:
    assert desk.get(path).status_code == 404


def test_a_damaged_final_is_not_given_out_and_stays_where_it_is(
    desk: Desk, jobs: JobPipeline, variants: list[dict[str, Any]]
) -> None:
    final = variants[2]["finals"][0]
    value = final["digest"].removeprefix("sha256:")
    name = f"tenants/acme/objects/{value[:2]}/{value[2:]}"
    backend = backend_at(jobs.settings.objects)
    backend.put(name, b"other bytes")
    answer = desk.get(final["path"])
    assert (answer.status_code, answer.json()["code"]) == (410, "final_lost")
    assert backend.get(name) == b"other bytes"


def test_where_no_job_ever_was_there_is_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    with opened(tmp_path_factory.mktemp("stores") / "state", tmp_path_factory.mktemp("own")) as found:
        assert found.get("/v1/jobs", None, tenant="acme").json() == {"jobs": [], "next": None, "budget": None}
