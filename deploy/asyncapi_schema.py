"""Provides the official JSON schema of AsyncAPI documents."""

import sys
from pathlib import Path

from deploy.npm_file import NpmFile
from deploy.promtool import default_cache

_VERSION = "6.11.1"
SCHEMA = NpmFile(
    package="@asyncapi/specs",
    version=_VERSION,
    sha256="01af8744dc33c0c7eb2e908f6a955319ee58b70ecadc9387d1aeb16c0cd28928",
    member="package/schemas/3.0.0-without-$id.json",
    kept=f"asyncapi-{_VERSION}/3.0.0.json",
)


def find(cache_dir: Path) -> Path | None:
    """The schema, or None where it has not been provided."""
    return SCHEMA.find(cache_dir)


def fetch(cache_dir: Path) -> Path:
    """The schema, downloaded the first time. Raises `RuntimeError` with what is missing or not as pinned."""
    return SCHEMA.fetch(cache_dir)


def main() -> int:
    try:
        print(f"The schema of AsyncAPI is {fetch(default_cache())}.")
    except RuntimeError as problem:
        print(f"asyncapi: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
