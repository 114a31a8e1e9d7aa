"""Folders for temporary files of processes that share a state directory."""

from pathlib import Path

from stream.pipelines.jobs import JobSettings
from stream.sessions.jobs_embedded import scratch_within


def test_a_second_process_leaves_the_files_of_the_first_alone_and_removes_those_of_a_killed_one(
    tmp_path: Path,
) -> None:
    settings = JobSettings.under(tmp_path)
    killed = settings.scratch / "rushes-scratch-killed"
    killed.mkdir(parents=True)
    with scratch_within(settings) as first:
        (first.scratch / "input").write_text("in work")
        with scratch_within(settings) as second:
            assert second.scratch != first.scratch
        assert (first.scratch / "input").read_text() == "in work"
    assert not list(settings.scratch.iterdir())
