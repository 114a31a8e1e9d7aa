"""The gate asks what is known of the pins: a vulnerable one fails it, and where nobody answers it says so."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.audit_dependencies import KNOWN, PIP_AUDIT
from tests.support.siem_receivers import http_receiver


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.audit_dependencies", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def known(_path: str, _headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    """As osv.dev answers: one release is vulnerable."""
    asked = json.loads(body)
    if (asked["package"]["name"], asked["version"]) != KNOWN:
        return 200, {}
    events = [{"introduced": "0"}, {"fixed": "2.10.1"}]
    package = {"name": KNOWN[0], "ecosystem": "PyPI"}
    affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
    return 200, {"vulns": [{"id": "GHSA-462w-v97r-4m45", "summary": "a sandbox escape", "affected": affected}]}


@pytest.mark.slow
@pytest.mark.parametrize(("pin", "code"), [("jinja2==2.10", 1), ("jinja2==3.1.6", 0)])
def test_a_vulnerable_pin_fails(tmp_path: Path, pin: str, code: int) -> None:
    fetched = subprocess.run(
        [Path(sys.executable).with_name("uv"), "tool", "run", PIP_AUDIT, "--version"], capture_output=True, check=False
    )
    if fetched.returncode:
        if os.environ.get("CI") == "true":
            pytest.fail("pip-audit cannot be fetched")
        pytest.skip("pip-audit cannot be fetched: it needs a package index")
    pins = tmp_path / "pins.txt"
    pins.write_text(f"{pin}\n")
    with http_receiver(known) as osv:
        done = run("--osv-url", osv.url, "--pins", pins)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("GHSA-462w-v97r-4m45" in done.stdout) == bool(code)
    assert "SKIPPED" not in done.stderr


@pytest.mark.parametrize(
    ("status", "said", "why"), [(404, {}, "it answers 404"), (200, {"vulns": []}, "it knows of no vulnerability")]
)
def test_who_knows_nothing_is_not_taken_for_a_clean_bill(status: int, said: Any, why: str) -> None:
    with http_receiver(lambda *_: (status, said)) as osv:
        done = run("--osv-url", osv.url)
    assert done.returncode == 0
    assert why in done.stderr
    assert "SKIPPED: nobody was asked" in done.stderr


def test_without_the_network_it_says_that_it_was_skipped() -> None:
    done = run("--osv-url", "http://127.0.0.1:9/query")
    assert (done.returncode, done.stdout) == (0, "")
    assert "SKIPPED: nobody was asked" in done.stderr
