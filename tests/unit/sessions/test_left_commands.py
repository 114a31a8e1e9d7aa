"""Commands about jobs that are left for another process."""

import os
from pathlib import Path

import pytest

from stream.events.jobs import TenantBudgeted
from stream.pipelines.jobs import JobSettings
from stream.sessions.jobs_embedded import home_of, leave_command, taken_commands


def test_a_command_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut it is there or was never left: a name without content would be dropped as unreadable."""
    settings, asked = JobSettings.under(tmp_path), TenantBudgeted(limited=True, cpu_s=5)
    synced: list[tuple[Path, int]] = []

    def fsync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor).st_ino))

    monkeypatch.setattr(os, "fsync", fsync)
    leave_command(settings, "acme", "ads", asked, 7)
    folder = home_of(settings) / "commands"
    (left,) = folder.glob("*.json")
    (fresh, inode), (last, _) = synced[-2:]
    assert (fresh.parent, inode, last) == (folder, left.stat().st_ino, folder)
    assert fresh != left, "synced under another name"
    assert sorted(folder.iterdir()) == [left]
    (event,) = taken_commands(settings)
    assert (event.data, event.tenant, event.event_time_ms) == (asked, "acme", 7)
    assert taken_commands(settings) == []
