"""An object store in trouble: it is told in words, the stage pauses, and nothing is lost or doubled."""

from collections.abc import Callable, Iterator

import pytest

from sinks.delta.commit_log import CommitLog
from sinks.location import Location
from sinks.query.catalogue import Catalogue
from sinks.query.ledger import DeltaLedger, LanceLedger
from sinks.storage.objects import Objects
from stream.errors import Unavailable
from tests.support.annotations import annotations, events, planned
from tests.support.s3_proxy import HANG, LOST, PASS, S3Proxy, Treatment, s3_proxy
from tests.support.s3_server import S3Server
from tests.support.sinks import build, made, rows_of

FIRST = events(planned(of=4), annotations(count=2, of=4))
SECOND = events(annotations(segment=1, count=3, of=4), annotations(count=4, revision=1, of=4))

TROUBLES = {
    "another key": (Treatment("InvalidAccessKeyId", 403), "does not accept the credentials"),
    "another secret": (Treatment("SignatureDoesNotMatch", 403), "does not accept the credentials"),
    "no rights": (Treatment("AccessDenied", 403), "denies access"),
    "no rights to write": (Treatment("AccessDenied", 403, "PUT"), "denies access"),
    "bucket gone": (Treatment("NoSuchBucket", 404), "bucket does not exist"),
    "too many requests": (Treatment("SlowDown", 503), "overloaded .it answers 503"),
    "broken": (Treatment("InternalError", 500), "it answers 500"),
}


@pytest.fixture
def proxy(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    with s3_proxy(s3.endpoint) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
        yield running


def written(place: Location, name: str) -> list[tuple[int, int]]:
    sink = build(name, place)
    found = sorted((row["segment"], row["revision"]) for row in rows_of(sink))
    sink.close()
    return found


# Each store meets each kind of trouble; the spellings of a kind are the same to it.
USUAL = {
    ("lance", "another secret"),
    ("lance", "no rights to write"),
    ("lance", "broken"),
    ("delta", "another key"),
    ("delta", "bucket gone"),
    ("delta", "too many requests"),
}


@pytest.mark.parametrize(
    ("name", "trouble"),
    [
        pytest.param(name, trouble, marks=() if (name, trouble) in USUAL else pytest.mark.long)
        for name in ("lance", "delta")
        for trouble in TROUBLES
    ],
)
def test_a_batch_that_met_trouble_comes_again_and_is_there_once(
    name: str, trouble: str, proxy: S3Proxy, s3_prefix: str
) -> None:
    treatment, words = TROUBLES[trouble]
    place = Location.of(s3_prefix).child("store")
    sink = build(name, place)
    list(sink.process(FIRST))
    proxy.treat(treatment)
    for _ in range(2):
        with pytest.raises(Unavailable, match=words) as caught:
            list(sink.process(SECOND))
        assert caught.value.code == "store_unavailable"
    proxy.treat(Treatment(PASS))
    list(sink.process(SECOND))
    sink.close()
    assert written(place, name) == [(0, 1)] * 4 + [(1, 0)] * 3


@pytest.mark.parametrize(
    ("name", "part"), [("lance", "moments"), ("delta", "moments"), ("delta", "moments/_delta_log")]
)
def test_a_commit_whose_answer_is_lost_is_there_once(name: str, part: str, proxy: S3Proxy, s3_prefix: str) -> None:
    place = Location.of(s3_prefix).child("store")
    sink = build(name, place)
    list(sink.process(FIRST))
    proxy.treat(Treatment(LOST, method="PUT", part=part))
    with pytest.raises(Unavailable):
        list(sink.process(SECOND))
    proxy.treat(Treatment(PASS))
    list(sink.process(SECOND))
    sink.close()
    assert written(place, name) == [(0, 1)] * 4 + [(1, 0)] * 3


def test_a_commit_that_was_asked_for_twice_is_known_again(s3_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's client asks again after an answer was lost, and hears that there is one."""
    log = CommitLog(Location.of(s3_prefix))
    create = Objects.create

    def created_unheard(objects: Objects, name: str, content: bytes) -> None:
        create(objects, name, content)

    monkeypatch.setattr(Objects, "create", created_unheard)
    assert (log.add(1, []), log.add(1, []), log.add(2, [])) == (True, False, True)


@pytest.mark.long
@pytest.mark.parametrize("name", ["lance", "delta"])
def test_a_store_that_does_not_answer_is_not_waited_for_without_end(name: str, proxy: S3Proxy, s3_prefix: str) -> None:
    place = Location.of(s3_prefix).child("store")
    sink = build(name, place)
    list(sink.process(FIRST))
    proxy.treat(Treatment(HANG))
    with pytest.raises(Unavailable, match=r"did not answer in time|cannot be reached") as caught:
        list(sink.process(SECOND))
    assert caught.value.code == "store_unavailable"
    proxy.treat(Treatment(PASS))
    list(sink.process(SECOND))
    sink.close()
    assert written(place, name) == [(0, 1)] * 4 + [(1, 0)] * 3


READERS: dict[str, Callable[[str], object]] = {
    "assets": lambda place: Catalogue(place).assets(),
    "the ledger of the index": lambda place: LanceLedger(place).done(["cell"], "space", "digest"),
    "the ledger of the Delta table": lambda place: DeltaLedger(place).writes(["cell"], "space", "digest"),
}


@pytest.mark.parametrize("reader", list(READERS))
@pytest.mark.parametrize("trouble", ["another key", "bucket gone", "broken"])
def test_readers_tell_of_trouble_too(reader: str, trouble: str, proxy: S3Proxy, s3_prefix: str) -> None:
    treatment, words = TROUBLES[trouble]
    proxy.treat(treatment)
    with pytest.raises(Unavailable, match=words):
        READERS[reader](s3_prefix)


@pytest.mark.parametrize("name", ["lance", "delta"])
def test_a_bucket_that_is_missing_and_a_server_that_is_down_are_told(
    name: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unavailable, match="bucket does not exist: make it"):
        build(name, Location.of("s3://there-is-no-such-bucket/store"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="cannot be reached: see the network, and its address"):
        made(name, Location.of("s3://stores/store")).open()


def test_plain_http_has_to_be_allowed(s3_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(Unavailable, match="AWS_ALLOW_HTTP=true"):
        build("lance", Location.of(s3_prefix))
