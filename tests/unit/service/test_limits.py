"""Limits of requests, and whether the service is ready."""

from pathlib import Path

import pytest

from stream.access.actions import AccessRole
from stream.clock import ManualClock
from stream.service.limits import TokenBuckets
from tests.support.service_desk import opened


def test_a_bucket_fills_with_time_and_no_higher() -> None:
    clock = ManualClock()
    buckets = TokenBuckets(clock, per_s=2.0, most=3.0)
    assert [buckets.take("a") for _ in range(3)] == [None] * 3
    one, other = buckets.take("a"), buckets.take("a")
    assert one is not None
    assert other is not None
    assert (one.wait_s, one.first, other.first) == (0.5, True, False)
    assert one.problem().headers == {"retry-after": "1"}
    # Each has its own.
    assert buckets.take("b") is None
    clock.advance(0.5)
    assert buckets.take("a") is None
    again = buckets.take("a")
    assert again is not None
    assert again.first
    clock.advance(1_000)
    assert [buckets.take("a") is None for _ in range(4)] == [True, True, True, False]


def test_callers_are_limited_alone_and_with_their_tenant(tmp_path: Path) -> None:
    with opened(tmp_path / "state", tmp_path, rate=0.5) as desk:
        for name in ("one", "two", "three", "four", "five"):
            desk.give(name, AccessRole.VIEWER)
        desk.give("stranger", AccessRole.VIEWER, "globex")
        statuses = [desk.get("/v1/assets", "one", tenant="acme").status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        refused = desk.get("/v1/assets", "one", tenant="acme")
        assert (refused.json()["code"], refused.headers["retry-after"]) == ("too_many_requests", "2")
        # Twenty for the tenant, of which five are gone.
        others = [desk.get("/v1/assets", name, tenant="acme").status_code for name in ("two", "three", "four") * 5]
        assert others == [200] * 15
        assert desk.get("/v1/assets", "five", tenant="acme").status_code == 429
        # Naming another tenant takes nothing of its share.
        assert desk.get("/v1/assets", "stranger", tenant="acme").status_code == 200
        denials = [event for event in desk.events() if event["status"] == "Denied"]
        assert [event["actor"]["user"]["uid"] for event in denials] == ["service:acme/one", "service:acme/five"]
        desk.clock.advance(60)
        assert desk.get("/v1/assets", "one", tenant="acme").status_code == 200


def test_it_is_ready_while_it_can_read_and_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with opened(tmp_path / "state", tmp_path) as desk:
        assert desk.client.get("/readyz").text == "ready\n"
        monkeypatch.setattr("os.fsync", full)
        desk.clock.advance(2)
        answer = desk.client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "audit_unavailable\n")
        assert desk.client.get("/healthz").status_code == 200
        monkeypatch.undo()
        desk.clock.advance(2)
        broken = tmp_path / "state" / "lancedb" / "spaces.lance" / "_versions"
        broken.mkdir(parents=True)
        (broken / "1.manifest").write_bytes(b"no manifest")
        assert desk.client.get("/readyz").status_code == 503
