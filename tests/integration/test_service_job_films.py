"""Films among the finals of jobs have a picture over the service, as on the contact sheet, where no still is beside."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from benchmarks.testbed.waiting import wait_for
from sinks.location import Location
from sinks.objects.backends import backend_at
from stream.access.actions import AccessRole
from stream.media import REGISTRY
from stream.pipelines.jobs import JobPipeline
from stream.service import job_store
from stream.sessions.job_stills import FilmStills
from tests.support.finished_jobs import finished_job
from tests.support.service_desk import Desk, opened

TEMPLATE = """
version: 1
name: spring
parameters: {mode: zip, axes: {colour: ["#a02020", "#2020a0"]}}
stages:
  - {name: draw, operator: composite, settings: {width: 64, height: 48, duration: 0.2, background: "${colour}"}}
finals: [draw]
"""
VARIANTS = "/v1/jobs/acme/spring/variants"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> JobPipeline:
    operators = tuple(REGISTRY.items())
    return finished_job(tmp_path_factory.mktemp("jobs") / "own", "acme", "ads", template=TEMPLATE, operators=operators)


@pytest.fixture
def desk(jobs: JobPipeline, tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path / "stores" / "state", tmp_path / "own", objects=jobs.settings.objects) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("operator", AccessRole.OPERATOR)
        yield found


def children() -> set[int]:
    """Of this process, that draw."""
    return {child.pid for child in psutil.Process().children() if "stream.media.child" in child.cmdline()}


def variants(desk: Desk) -> list[dict[str, Any]]:
    found = desk.get(VARIANTS).json()["variants"]
    assert [final["media_type"] for each in found for final in each["finals"]] == ["video/x-matroska"] * 2
    return list(found)


def test_a_film_is_shown_by_one_of_its_pictures(desk: Desk) -> None:
    for variant, colour in zip(variants(desk), ((0xA0, 0x20, 0x20), (0x20, 0x20, 0xA0)), strict=True):
        assert f'src="{variant["poster"]}"' in desk.get("/jobs/acme/spring").text
        answer = desk.get(variant["poster"], "operator")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        with Image.open(BytesIO(answer.content)) as shown:
            found = shown.convert("RGB").getpixel((30, 20))
            assert shown.size == (64, 48)
        assert isinstance(found, tuple)
        assert all(abs(level - wanted) < 8 for level, wanted in zip(found, colour, strict=True))
    assert desk.events()[-1]["message"] == "job poster: previewed"


def test_each_is_drawn_once_and_no_child_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    of = FilmStills.of

    def counted(self: Any, objects: Any, film: str) -> Path | None:
        drawn.append(film)
        made = of(self, objects, film)
        assert children()
        return made

    monkeypatch.setattr(FilmStills, "of", counted)
    posters = [variant["poster"] for variant in variants(desk)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(desk.get, posters * 2))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(drawn) == len(set(drawn)) == 2
    wait_for(lambda: not children(), "no child is left", within_s=20)


def test_a_film_that_is_gone_or_damaged_has_none_and_stays_as_it_is(desk: Desk, jobs: JobPipeline) -> None:
    variant = variants(desk)[0]
    value = variant["finals"][0]["digest"].removeprefix("sha256:")
    name, backend = f"tenants/acme/objects/{value[:2]}/{value[2:]}", backend_at(jobs.settings.objects)
    kept = backend.get(name) or b""
    try:
        backend.put(name, b"other bytes")
        assert desk.get(variant["poster"]).status_code == 404
        assert backend.get(name) == b"other bytes"
        backend.remove(name)
        assert desk.get(variant["poster"]).status_code == 404
    finally:
        backend.put(name, kept)


def test_a_film_of_a_bucket_is_copied_for_its_picture_unless_it_is_large(
    s3_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Location.of(f"{s3_prefix}/objects")
    operators = tuple(REGISTRY.items())
    finished_job(tmp_path / "own", "acme", "ads", template=TEMPLATE, operators=operators, objects=place)
    with opened(tmp_path / "stores" / "state", tmp_path / "service", objects=place) as desk:
        desk.give("viewer", AccessRole.VIEWER)
        first, second = (variant["poster"] for variant in variants(desk))
        assert desk.get(first).status_code == 200
        monkeypatch.setattr(job_store, "_MOST_FILM_BYTES", 100)
        assert (desk.get(first).status_code, desk.get(second).status_code) == (200, 404)


def test_who_finds_no_place_is_told_to_come_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_store, "_MOST_WAITING", 0)
    answer = desk.get(variants(desk)[0]["poster"])
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
