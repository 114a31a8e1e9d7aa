"""Old objects become finals while they are removed: the delivery waits for that, and then they are made again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sinks.objects.store import TenantObjects
from stream.clock import ManualClock
from stream.errors import Unavailable
from stream.events.jobs import TaskAsked
from stream.events.objects import Digest, LostObject, StoredFile
from stream.jobs.removals import REMOVED_WITHIN_MS, being_removed, tell_removal
from stream.pipelines.jobs import JobPipeline
from stream.pipelines.kept_finals import KeptFinals
from stream.sessions.job_retention import clean
from tests.integration.test_job_retention import STAGES, everything, there
from tests.support.finished_jobs import finished_job


@dataclass(frozen=True)
class Delivered:
    """A delivery of one final, whose manifest is written by then."""

    final: StoredFile

    def deliver(self, tenant: str, task: TaskAsked, scratch: Path) -> tuple[StoredFile, ...]:
        return (self.final,)

    def lies_there(self, tenant: str, task: TaskAsked) -> bool:
        return True


def task(to: str = "") -> TaskAsked:
    facts: dict[str, Any] = {"kind": "deliver", "key": "0" * 64, "stage_key": "0" * 64, "stage": "deliver"}
    return TaskAsked(job="late", variant="0" * 16, operator="deliver", settings={"to": to}, **facts)


@pytest.fixture
def jobs(tmp_path: Path) -> JobPipeline:
    return finished_job(tmp_path / "state", "acme", "ads", template=STAGES)


def kept(jobs: JobPipeline, digest: Digest) -> KeptFinals:
    (size,) = [size for each, size, _ in jobs.store.of("acme").listed() if each == digest]
    final = StoredFile(name="a.txt", digest=digest, size=size, media_type="text/plain")
    return KeptFinals(Delivered(final), jobs.store, jobs.clock)


def test_a_delivery_waits_for_what_removes_its_finals_and_they_are_made_again(
    jobs: JobPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[tuple[Digest, KeptFinals]] = []
    remove = TenantObjects.remove

    def removed(self: TenantObjects, digest: Digest) -> None:
        if not late:
            # It was looked for needs before the manifest was there, and it is still there.
            last = max(being_removed(jobs.store.documents, "acme", jobs.clock.now_ms()) - {digest})
            late.append((last, kept(jobs, last)))
            with pytest.raises(Unavailable) as waits:
                late[0][1].deliver("acme", task(), tmp_path)
            assert waits.value.code == "finals_being_removed"
            assert late[0][1].deliver("acme", task("file:///elsewhere"), tmp_path)
        remove(self, digest)

    monkeypatch.setattr(TenantObjects, "remove", removed)
    assert clean(jobs, "acme", everything()).objects > 1
    ((digest, delivery),) = late
    assert digest not in there(jobs)
    with pytest.raises(LostObject) as lost:
        delivery.deliver("acme", task(), tmp_path)
    assert lost.value.digests == (digest,)
    # What is left is delivered.
    assert kept(jobs, there(jobs)[0]).deliver("acme", task(), tmp_path)


def test_what_was_told_by_a_process_that_was_killed_is_not_believed_for_ever(jobs: JobPipeline, tmp_path: Path) -> None:
    jobs.clock = clock = ManualClock(1_000_000)
    digest = there(jobs)[0]
    tell_removal(jobs.store.documents, "acme", [digest], clock.now_ms())
    clock.advance(2 * REMOVED_WITHIN_MS / 1000 - 1)
    with pytest.raises(Unavailable):
        kept(jobs, digest).deliver("acme", task(), tmp_path)
    clock.advance(1)
    assert kept(jobs, digest).deliver("acme", task(), tmp_path)


def test_who_takes_too_long_removes_nothing_more_of_what_was_told(
    jobs: JobPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.clock = clock = ManualClock(1_000_000)
    remove = TenantObjects.remove

    def slow(self: TenantObjects, digest: Digest) -> None:
        remove(self, digest)
        clock.advance(REMOVED_WITHIN_MS / 1000)

    monkeypatch.setattr(TenantObjects, "remove", slow)
    assert clean(jobs, "acme", everything()).objects == 1
    assert not being_removed(jobs.store.documents, "acme", clock.now_ms())
    assert clean(jobs, "acme", everything()).objects == 1, "the next pass goes on"
