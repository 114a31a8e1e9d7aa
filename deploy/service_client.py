"""Makes a Python client of the service's API from its OpenAPI document.

    python -m deploy.service_client                            provide the generator
    python -m deploy.service_client http://127.0.0.1:8080 DIR  a package for `pip install DIR`

The generator lives in an environment of its own in the cache, with pinned versions. The client is never committed: it
is made anew from what the service says of itself, and the tests use one.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from deploy.promtool import default_cache

PINS = Path(__file__).with_suffix(".txt")
PACKAGE = "rushes-client"
PATIENCE_S = 300
# Bytes to the generator, whatever they show.
_BYTES = ("image/jpeg", "image/png", "image/webp", "text/vtt", "video/mp4")


def find(cache_dir: Path) -> Path | None:
    """The environment of the generator; None where it has not been provided."""
    kept = _environment(cache_dir)
    return kept if (kept / ".made").is_file() else None


def fetch(cache_dir: Path) -> Path:
    """As `find`; made the first time. Raises `RuntimeError` with what went wrong."""
    kept = _environment(cache_dir)
    if not (kept / ".made").is_file():
        # An environment knows its place, so it is made there and marked when it is whole.
        _run([sys.executable, "-m", "venv", "--clear", str(kept)])
        pip = [str(kept / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--only-binary", ":all:", "-r", str(PINS)])
        (kept / ".made").touch()
    return kept


def generate(document: dict[str, Any], target: Path, cache_dir: Path, *, module: bool = False) -> None:
    """A package with its metadata in `target`, or as a `module` the code alone. Raises `RuntimeError`, also where a
    part of the API would be left out.
    """
    environment = fetch(cache_dir)
    media = {kind for path in document["paths"].values() for kind in _kinds(path)}
    settings = {
        "project_name_override": PACKAGE,
        "package_name_override": PACKAGE.replace("-", "_"),
        "content_type_overrides": dict.fromkeys(sorted(media.union(_BYTES)), "application/octet-stream"),
        "post_hooks": [],
    }
    with tempfile.TemporaryDirectory() as scratch:
        asked, configured = Path(scratch) / "openapi.json", Path(scratch) / "config.json"
        asked.write_text(json.dumps(document))
        configured.write_text(json.dumps(settings))
        command = [str(environment / "bin" / "openapi-python-client"), "generate", "--overwrite", "--fail-on-warning"]
        places = ["--path", str(asked), "--config", str(configured), "--output-path", str(target)]
        _run([*command, *places, "--meta", "none" if module else "setup"])


def _kinds(part: Any) -> set[str]:
    """Media types of bodies that are neither JSON nor problems."""
    if not isinstance(part, dict):
        return {kind for item in part for kind in _kinds(item)} if isinstance(part, list) else set()
    own = {kind for kind in part.get("content", {}) if "/" in kind and not kind.endswith("json")}
    return own.union(*(_kinds(value) for value in part.values()))


def _environment(cache_dir: Path) -> Path:
    """Other versions are other folders."""
    return cache_dir / f"service-client-{hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]}"


def _run(command: list[str]) -> None:
    quiet = {**os.environ, "PIP_NO_INPUT": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S, env=quiet)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2_000:]
        raise RuntimeError(f"`{' '.join(command[:3])}` failed: {said}")


def main(given: list[str]) -> int:
    try:
        if not given:
            print(f"The generator of clients is in {fetch(default_cache())}.")
            return 0
        address, target = given
        document = httpx.get(f"{address.rstrip('/')}/openapi.json", timeout=30).raise_for_status().json()
        generate(document, Path(target), default_cache())
        print(
            f"The client is in {target}: `pip install {target}`, then `from rushes_client import AuthenticatedClient`."
        )
    except (RuntimeError, httpx.HTTPError, subprocess.TimeoutExpired, ValueError) as problem:
        print(f"client of the service: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
