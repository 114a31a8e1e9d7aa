"""Stores on Azure Blob storage in trouble: it is told in Azure's words, and nothing is lost or doubled."""

import base64

import pytest

from sinks import REGISTRY
from sinks.location import Location
from stream.errors import Unavailable
from tests.support.annotations import annotations, events, planned
from tests.support.azure_server import KEY, AzureServer
from tests.support.s3_proxy import LOST, PASS, Treatment, s3_proxy
from tests.support.sinks import build, rows_of

FIRST = events(planned(of=4), annotations(count=2, of=4))
SECOND = events(annotations(segment=1, count=3, of=4), annotations(count=4, revision=1, of=4))
REFUSALS = {
    "no rights to write": (Treatment("AuthorizationPermissionMismatch", 403, "PUT"), "denies access"),
    "container gone": (Treatment("ContainerNotFound", 404), "container does not exist"),
    "busy": (Treatment("ServerBusy", 503), "overloaded .it answers 503"),
    "an answer is lost": (Treatment(LOST, method="PUT", part="moments"), "cannot be reached"),
}


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        *(("lance", refusal) for refusal in ("no rights to write", "an answer is lost")),
        *(("delta", refusal) for refusal in ("container gone", "busy", "an answer is lost")),
    ],
)
def test_a_batch_that_met_trouble_comes_again_and_is_there_once(
    name: str, refusal: str, azure: AzureServer, azure_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    treatment, words = REFUSALS[refusal]
    with s3_proxy(azure.endpoint) as proxy:
        monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", proxy.endpoint)
        sink = build(name, Location.of(azure_prefix).child("store"))
        list(sink.process(FIRST))
        proxy.treat(treatment)
        with pytest.raises(Unavailable, match=words) as caught:
            list(sink.process(SECOND))
        assert caught.value.code == "store_unavailable"
        proxy.treat(Treatment(PASS))
        list(sink.process(SECOND))
        found = sorted((row["segment"], row["revision"]) for row in rows_of(sink))
        sink.close()
    assert found == [(0, 1)] * 4 + [(1, 0)] * 3


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_only_who_may_writes(name: str, azure_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Location.of(azure_prefix).child("store")
    for key in (base64.b64encode(b"nothing").decode(), "no base64"):
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", key)
        with pytest.raises(Unavailable, match="does not accept the credentials: correct AZURE_") as refused:
            build(name, place)
        assert refused.value.code == "store_unavailable"
        assert key not in refused.value.message
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    sink = build(name, place)
    list(sink.process(FIRST))
    assert len(rows_of(sink)) == 2
    sink.close()


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_what_is_missing_is_told(name: str, azure_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="container does not exist: make it"):
        build(name, Location.of("az://there-is-no-such-container/store"))
    place = Location.of(azure_prefix).child("store")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"cannot be reached: see the network, and its address \(AZURE_"):
        build(name, place)
    monkeypatch.delenv("AZURE_STORAGE_USE_EMULATOR")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="AZURE_ALLOW_HTTP=true"):
        build(name, place)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    with pytest.raises(Unavailable, match="no credentials: set AZURE_STORAGE_ACCOUNT_NAME"):
        build(name, place)
