"""Uploads whose place is a bucket: whole there, for their tenant alone, and gone when they are refused."""

from pathlib import Path

import pytest

from benchmarks.testbed.runs import light_settings
from sinks.location import Location
from sinks.storage.objects import Objects
from stream.errors import BadMedia
from stream.pipelines.source_policies import SourcePolicies
from stream.pipelines.upload_places import upload_folder
from stream.service.uploads.spool import Spool
from stream.topology.tenants import Tenants


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
