"""Provides the official JSON schema of AsyncAPI documents: one file of the npm package `@asyncapi/specs`, by pinned
version and digest. Nothing of the package is installed or run.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from deploy.promtool import default_cache

PACKAGE, VERSION = "@asyncapi/specs", "6.11.1"
SHA256 = "01af8744dc33c0c7eb2e908f6a955319ee58b70ecadc9387d1aeb16c0cd28928"
MEMBER = "package/schemas/3.0.0-without-$id.json"


def find(cache_dir: Path) -> Path | None:
    """The schema, or None where it has not been provided."""
    kept = cache_dir / f"asyncapi-{VERSION}" / "3.0.0.json"
    return kept if kept.is_file() else None


def fetch(cache_dir: Path) -> Path:
    """The schema, downloaded the first time. Raises `RuntimeError` with what is missing or not as pinned."""
    found = find(cache_dir)
    if found is not None:
        return found
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("the schema of AsyncAPI comes by npm, which is missing: install it (`apt install npm`)")
    kept = cache_dir / f"asyncapi-{VERSION}"
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        asked = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        done = subprocess.run(asked, cwd=scratch, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"npm could not fetch {PACKAGE} {VERSION}: {done.stderr.strip()[-300:]}")
        (package,) = Path(scratch).glob("*.tgz")
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        if digest != SHA256:
            raise RuntimeError(f"{PACKAGE} {VERSION} has sha256 {digest}, pinned is {SHA256}: refused")
        with tarfile.open(package) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None
            part = Path(scratch) / "schema"
            part.write_bytes(member.read())
        return part.replace(kept / "3.0.0.json")


def main() -> int:
    try:
        print(f"The schema of AsyncAPI is {fetch(default_cache())}.")
    except RuntimeError as problem:
        print(f"asyncapi: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
