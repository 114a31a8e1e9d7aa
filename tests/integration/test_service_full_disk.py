"""A disk that is full under the trail, and only there: nothing is answered until there is room, and then at once."""

import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from stream.audit.keys import read_key
from stream.audit.verification import verify
from tests.support.service_process import serving

_DISK = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
_MOUNT = 'mount -t tmpfs -o size=256k disk "$0" && exec "$@"'


def with_disk_at(folder: Path) -> list[str]:
    """What a command runs through so that a small disk of its own lies under `folder`."""
    folder.mkdir(parents=True)
    through = [*_DISK, _MOUNT, str(folder)]
    if shutil.which("unshare") is None or subprocess.run([*through, "true"], check=False).returncode:
        if os.environ.get("CI") == "true":
            pytest.fail("it mounts a disk in a namespace of its own: allow user namespaces")
        pytest.skip("it mounts a disk in a namespace of its own: allow user namespaces")
    return through


def test_a_full_disk_refuses_until_there_is_room(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=3, fps=5, scenes=[3.0])
    run_events(light_settings(tmp_path / "state", tmp_path), [published(clip.path)])
    trail = tmp_path / "state" / "audit-service"
    with serving(tmp_path / "state", through=with_disk_at(trail)) as (process, address):
        # As that process sees it.
        seen = Path(f"/proc/{process.pid}/root{trail}")

        def ask(number: int) -> httpx.Response:
            return httpx.get(f"{address}/v1/assets", params={"tenant": f"t{number}"}, timeout=60)

        assert ask(0).status_code == 200
        with pytest.raises(OSError, match="No space left"), (seen / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(ask, range(1, 60)))
        # A page of the disk may have room for some events yet.
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(refused) > 50
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "audit_unavailable")}
        assert all(answer.json()["title"] and answer.headers["retry-after"] for answer in refused)
        assert httpx.get(f"{address}/healthz").text == "ok\n"
        assert httpx.get(f"{address}/readyz").text == "audit_unavailable\n"
        assert httpx.get(f"{address}/metrics").status_code == 200
        (seen / "filler").unlink()
        with ThreadPoolExecutor(16) as threads:
            assert {answer.status_code for answer in threads.map(ask, range(60, 76))} == {200}
        shutil.copytree(seen, tmp_path / "kept")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    found = verify(tmp_path / "kept", read_key(trail.with_name("audit-service.key")).verifier)
    assert (found.findings, found.unfinished) == ([], False)
