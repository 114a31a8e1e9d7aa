"""Asks what is known of the pinned dependencies' vulnerabilities, by pip-audit. Where nobody who knows can be reached
it says that it was skipped: a machine without the network must not fail, and must not look as if it had asked.
"""

import argparse
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIP_AUDIT = "pip-audit==2.10.1"
OSV = "https://api.osv.dev/v1/query"
_PYPI = "https://pypi.org/pypi"
_TIMEOUT_S = 20.0
KNOWN = ("jinja2", "2.10")
"""A release with known vulnerabilities. A mirror may answer and know of none: then it says nothing of ours either."""


@dataclass(frozen=True, slots=True)
class Source:
    """One that pip-audit can ask. `options` are those of pip-audit."""

    name: str
    url: str
    options: tuple[str, ...]
    body: bytes | None = None

    def trouble(self) -> str | None:
        """Why it cannot be asked; None where it knows what is known."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        request = urllib.request.Request(self.url, self.body, headers)  # noqa: S310 - the addresses above, or a test's
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                said: Any = json.load(answer)
        except urllib.error.HTTPError as error:
            return f"it answers {error.code}"
        except (OSError, ValueError) as error:
            return str(getattr(error, "reason", error))
        known = isinstance(said, dict) and (said.get("vulnerabilities") or said.get("vulns"))
        return None if known else f"it knows of no vulnerability of {'=='.join(KNOWN)}"


def pypi() -> Source:
    return Source("pypi.org", f"{_PYPI}/{KNOWN[0]}/{KNOWN[1]}/json", ("-s", "pypi"))


def osv(url: str) -> Source:
    body = {"package": {"name": KNOWN[0], "ecosystem": "PyPI"}, "version": KNOWN[1]}
    return Source(url, url, ("-s", "osv", "--osv-url", url), json.dumps(body).encode())


def audited(sources: Sequence[Source], pins: Path) -> int:
    """The exit code of pip-audit with the first source that knows; 0 where none does, with words."""
    for source in sources:
        trouble = source.trouble()
        if trouble is None:
            command = [str(Path(sys.executable).with_name("uv")), "tool", "run", PIP_AUDIT, *source.options]
            strict = ["--strict", "--no-deps", "--disable-pip", "-r", str(pins)]
            return subprocess.run([*command, *strict], check=False).returncode
        print(f"{source.name} cannot be asked: {trouble}", file=sys.stderr)
    print(
        f"SKIPPED: nobody was asked what is known of the pins in {pins}. Run it where the network is.", file=sys.stderr
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pins", type=Path, default=Path("constraints.txt"))
    parser.add_argument("--osv-url", help="ask this one alone, by the interface of osv.dev")
    options = parser.parse_args()
    sources = [osv(options.osv_url)] if options.osv_url else [pypi(), osv(OSV)]
    return audited(sources, options.pins)


if __name__ == "__main__":
    sys.exit(main())
