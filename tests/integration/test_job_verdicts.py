"""What a real index store says of finals: nothing until they are understood, then their highest score."""

from pathlib import Path

from stream.jobs.reviews import Verdict
from stream.pipelines.job_verdicts import StoredVerdicts
from tests.support.annotations import annotations, asset_failed, events, planned, ref, segment_failed
from tests.support.sinks import build, feed


def test_a_verdict_is_there_when_everything_was_looked_at(tmp_path: Path) -> None:
    place = tmp_path / "index"
    verdicts = StoredVerdicts(place)
    assert verdicts.of("acme", "film") is None, "there is no store yet"
    sink = build("lance", place)
    film, torn, none = (ref(name) for name in ("film", "torn", "none"))
    feed(sink, events(planned(film, of=2), annotations(film, 0, of=2)))
    assert verdicts.of("acme", "film") is None, "half of it could still be anything"
    assert verdicts.of("acme", "unknown") is None
    feed(sink, events(annotations(film, 1, of=2)))
    feed(sink, events(planned(torn, of=2), annotations(torn, 0, of=2), segment_failed(torn, 1), asset_failed(none)))
    assert verdicts.of("acme", "film") == Verdict(0.125)
    assert verdicts.of("acme", "torn") == Verdict(0.125, "parts of it are missing")
    assert verdicts.of("acme", "none") == Verdict(None, "it could not be understood")
    assert verdicts.of("umbrella", "film") is None, "another tenant's"
    sink.close()
