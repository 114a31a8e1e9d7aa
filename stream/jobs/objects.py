"""What jobs ask of the place where their files lie. `sinks.objects` is it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stream.events.objects import Digest, Known, StoredFile
from stream.jobs.keys import Key


class ContentObjects(Protocol):
    """The objects of one tenant; another tenant's are not there. Raises `Unavailable` (`store_unavailable`,
    `disk_full`) where the place does not answer or is full.
    """

    def put(self, path: Path) -> tuple[Digest, int]:
        """Store a file under its digest, durably; digest and size. What is there already is not written again."""

    def put_bytes(self, content: bytes) -> Digest:
        """As `put`, of a small object."""

    def has(self, digest: Digest, size: int) -> bool:
        """Whether it is there in this size. Its bytes are compared when it is read."""

    def fetch(self, digest: Digest, scratch: Path) -> Path:
        """A local file with these bytes, compared with the digest; nobody may write to it. Raises `LostObject`."""

    def read(self, digest: Digest, most_bytes: int) -> bytes:
        """The bytes of a small object, compared. Raises `LostObject`, also for a larger one."""

    def uri(self, digest: Digest) -> str:
        """Where an object lies, as the uri of an asset names it."""

    def known(self, key: Key) -> Known | None:
        """What the ledger says of a key, if all of its outputs are there."""

    def known_of(self, keys: Sequence[Key]) -> Mapping[Key, Known]:
        """`known` of many keys, asked together; those that are not known are left out."""

    def learn(self, key: Key, known: Known) -> None:
        """Enter a result, durably, after its outputs were put. The first entry stays, unless its outputs are gone."""


class Documents(Protocol):
    """Small documents about jobs, by names with slashes. Raises `Unavailable` as `ContentObjects` does."""

    def read(self, name: str) -> bytes | None: ...

    def write(self, name: str, content: bytes) -> None:
        """Replace it as a whole, durably."""

    def names(self, under: str) -> Iterator[str]:
        """All names below a folder."""

    def folders(self, under: str) -> list[str]:
        """The names of the folders directly in one, in order."""


def by_name(files: Sequence[StoredFile]) -> Mapping[str, StoredFile]:
    return {file.name: file for file in files}
