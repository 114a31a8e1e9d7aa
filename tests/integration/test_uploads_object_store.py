"""Uploads whose place is a bucket: whole there for their tenant alone, understood from there, and refused in words."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings
from sinks.location import Location
from sinks.storage.objects import Objects
from stream.access.actions import AccessRole
from stream.errors import BadMedia
from stream.pipelines.source_policies import SourcePolicies
from stream.pipelines.upload_places import upload_folder
from stream.service.uploads.spool import Spool
from stream.service.uploads.uploads import UploadLimits
from stream.topology.tenants import Tenants
from tests.support.kept_work import WorkedOn
from tests.support.s3_proxy import HANG, PASS, Treatment, s3_proxy
from tests.support.s3_server import S3Server
from tests.support.service_desk import Desk, opened


def test_an_upload_lies_in_the_bucket_for_its_tenant_alone(tmp_path: Path, s3_prefix: str) -> None:
    place, data = Location.of(s3_prefix), bytes(range(256)) * 40_000
    spool = Spool(tmp_path / "parts", place, 0)
    spool.begin("one")
    with spool.part("one", 0, digested=False) as file:
        file.write(data)
        file.keep()
    spool.store("one", "acme")
    assert not spool.is_part("one")
    # Done before: a service that was killed after it begins again here.
    spool.store("one", "acme")
    policies = SourcePolicies(light_settings(tmp_path / "state", uploads=place), Tenants())
    found = Objects(upload_folder(place, "acme")).get("one")
    assert found is not None
    assert found.content == data
    policies.require("acme", spool.uri("one", "acme"))
    with pytest.raises(BadMedia):
        policies.require("globex", spool.uri("one", "acme"))
    spool.discard("one", "acme")
    assert Objects(upload_folder(place, "acme")).size("one") is None
    spool.discard("one", "acme")


def sent(desk: Desk, path: str, data: bytes, offset: int = 0) -> httpx.Response:
    headers = {"upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
    return desk.ask("patch", path, "editor", content=data, headers=headers)


def test_an_upload_into_a_bucket_in_trouble_is_understood_in_the_end(
    tmp_path: Path, s3: S3Server, s3_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, state, own = Location.of(s3_prefix), tmp_path / "state", tmp_path / "own"
    clip = write_clip(tmp_path / "clip.mp4", seconds=3, fps=5, scenes=[3.0]).path.read_bytes()
    with s3_proxy(s3.endpoint) as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
        background = WorkedOn(light_settings(state, uploads=place))
        with opened(state, own, background=background, upload_place=place, uploads=UploadLimits()) as desk:
            desk.give("editor", AccessRole.EDITOR)
            asked = {"upload-length": str(len(clip))}
            begun = desk.ask("post", "/v1/uploads", "editor", params={"tenant": "acme"}, headers=asked)
            path = begun.json()["path"]
            bucket.treat(Treatment("AccessDenied", 403))
            refused = sent(desk, path, clip)
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert s3_prefix not in refused.text
            # Nothing is lost: all bytes are here, and what is sent is that they are all.
            assert desk.get(path, "editor").json()["received_bytes"] == len(clip)
            assert background.publications == []
            bucket.treat(Treatment(PASS))
            assert sent(desk, path, b"", len(clip)).status_code == 204
            assert desk.get(path, "editor").json()["state"] == "published"
            detail = desk.get(begun.json()["asset"], "editor").json()["asset"]
            assert (detail["status"], detail["code"], detail["searchable"]) == ("ready", None, True), detail
            (hit, *_) = desk.get("/v1/search", "editor", q="red").json()["hits"]
            assert hit["asset"] == begun.json()["asset"]
            assert desk.get(f"{hit['asset']}/media", "editor").content == clip


SHORT = {name: timedelta(seconds=0.3) for name in ("connect_timeout", "timeout", "retry_timeout")}


def test_a_bucket_that_never_answers_ends_in_words_and_nothing_is_lost(
    tmp_path: Path, s3: S3Server, s3_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("sinks.storage.objects", "decoders.sources.object_store"):
        monkeypatch.setattr(f"{room}.PATIENCE", SHORT)
    place, state, own = Location.of(s3_prefix), tmp_path / "state", tmp_path / "own"
    clips = [
        write_clip(tmp_path / f"{number}.mp4", seconds=3, fps=5, scenes=[3.0]).path.read_bytes() for number in (1, 2)
    ]
    with s3_proxy(s3.endpoint) as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
        background = WorkedOn(light_settings(state, uploads=place))
        with opened(state, own, background=background, upload_place=place, uploads=UploadLimits()) as desk:
            desk.give("editor", AccessRole.EDITOR)

            def begun(clip: bytes) -> dict[str, str]:
                # `filename` in base64 is first.mp4.
                asked = {"upload-length": str(len(clip)), "upload-metadata": "filename Zmlyc3QubXA0"}
                found: dict[str, str] = desk.ask(
                    "post", "/v1/uploads", "editor", params={"tenant": "acme"}, headers=asked
                ).json()
                return found

            def status(upload: dict[str, str]) -> tuple[str, str]:
                detail = desk.get(upload["asset"], "editor").json()["asset"]
                return detail["status"], detail["reason"] or ""

            first, second = map(begun, clips)
            bucket.treat(Treatment(HANG, method="PUT"))
            refused = sent(desk, first["path"], clips[0])
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable"), refused.text
            assert desk.get(first["path"], "editor").json()["received_bytes"] == len(clips[0])
            # Taken, and then not read: a failure in words, and what comes next is worked on.
            bucket.treat(Treatment(HANG, method="GET"))
            assert sent(desk, first["path"], b"", len(clips[0])).status_code == 204
            failed, reason = status(first)
            # By the name that its sender knows, and not by where it lies.
            assert (failed, reason) == ("failed", "first.mp4: the store did not answer in time")
            bucket.treat(Treatment(PASS))
            assert sent(desk, second["path"], clips[1]).status_code == 204
            assert status(second) == ("ready", "")
            bucket.treat(Treatment(HANG))
            played = desk.get(f"{second['asset']}/media", "editor")
            assert (played.status_code, played.json()["code"]) == (503, "store_failed")
            assert s3_prefix not in played.text
            bucket.treat(Treatment(PASS))
            assert desk.get(f"{second['asset']}/media", "editor").content == clips[1]
