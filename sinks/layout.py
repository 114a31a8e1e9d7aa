"""How a store is divided into shards, each of which is a whole store of its own; and which shard holds an asset."""

import json
import secrets
import shutil
from collections.abc import Collection
from dataclasses import dataclass

from sinks.location import Location, Place
from sinks.storage.files import files_at
from stream.errors import Fatal
from stream.events.ids import asset_key
from stream.events.murmur2 import partition_of
from stream.files import sync

FILE = "shards.json"
MAX_SHARDS = 4096
_HASH = "murmur2"
_GENERATION = "generation-"
_SHARD = "shard-{:04d}"
_REMOVED = "removed"
_BESIDE_TABLES = ("index.synced", "delta.synced", "ledger-followed")
"""How files begin that lie beside the tables of a shard and tell of them."""
_OF_THE_ROOT = frozenset({"dead_letters.lance"})
"""Tables that lie at the root of an index, however it is divided."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A store under `root` in `shards` parts. A store of one shard, as it is made, lies at the root itself, and no file
    says so. `generation` counts how often the store was divided anew; 0 is how it was made.
    """

    root: Location
    shards: int = 1
    generation: int = 0

    @classmethod
    def of(cls, place: Place) -> "Layout":
        """What lies there now; one shard where nothing does. Raises `Fatal` (`shards_unreadable`)."""
        root = Location.of(place)
        try:
            content = files_at(root).read(FILE)
            if content is None:
                # Else a store whose file is lost would look empty, and another would begin at its root.
                if root.path is not None and (root.path / _SHARD.format(0)).is_dir():
                    raise _unreadable(root, "it is missing")
                return cls(root)
            found = json.loads(content)
            if found["hash"] != _HASH or not 1 <= int(found["shards"]) <= MAX_SHARDS:
                raise ValueError(found["hash"])
            return cls(root, int(found["shards"]), int(found.get("generation", 0)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(root, type(error).__name__) from None

    @property
    def divided(self) -> bool:
        """Whether the tables lie in folders of their own instead of at the root."""
        return self.shards > 1 or self.generation > 0

    @property
    def places(self) -> tuple[Location, ...]:
        """Where each shard lies, by its number."""
        if not self.divided:
            return (self.root,)
        under = self.root.child(f"{_GENERATION}{self.generation}") if self.generation else self.root
        return tuple(under.child(_SHARD.format(number)) for number in range(self.shards))

    def shard(self, key: str) -> int:
        """The number of the shard that holds an asset, by its `asset_key`. With as many partitions as shards, or a
        multiple, a partition of a topic by asset holds assets of one shard.
        """
        return 0 if self.shards == 1 else partition_of(key.encode(), self.shards)

    def shard_of(self, tenant: str, asset_id: str) -> int:
        """As `shard`, for an asset by its names."""
        return self.shard(asset_key(tenant, asset_id))

    def split(self, keys: Collection[str]) -> dict[int, list[str]]:
        """These asset keys by the shard that holds them; no shard without any. In the order of shards."""
        found: dict[int, list[str]] = {}
        for key in keys:
            found.setdefault(self.shard(key), []).append(key)
        return dict(sorted(found.items()))

    def write(self) -> None:
        """Say in the store that it is so from here on; whole or not at all. Raises `OSError`."""
        files_at(self.root).write(FILE, self._said())

    def create(self) -> bool:
        """As `write`, where nothing says how the store is divided; False where something does."""
        return files_at(self.root).create(FILE, self._said())

    def _said(self) -> str:
        said: dict[str, object] = {"shards": self.shards, "hash": _HASH}
        if self.generation:
            said["generation"] = self.generation
        return json.dumps(said) + "\n"


def claim(place: Place, shards: int, option: str = "--shards") -> Layout:
    """The layout for a writer who was asked for `shards`: that of the store, which a new store gets. Raises `Fatal`
    (`shards_differ`) where the store has another number, and `OSError`.
    """
    root = Location.of(place)
    files_at(root).make()
    found = Layout.of(root)
    # Two processes of a new deployment may have been given two numbers: one of them creates the file.
    if not found.divided and shards > 1 and not any(tables_at(root)):
        Layout(root, shards).create()
        found = Layout.of(root)
    if found.shards != shards and (found.divided or any(tables_at(root))):
        raise differing(found, shards, option)
    return found


def _unreadable(root: Location, why: str) -> Fatal:
    return Fatal(
        f"{root.child(FILE)}, which says how the store is divided, cannot be read ({why}): put back the file of a"
        " backup, or move the store away and let `rushes verify --repair` make it anew",
        code="shards_unreadable",
    )


def differing(found: Layout, shards: int, option: str = "--shards") -> Fatal:
    """The refusal of another number of shards than the store has."""
    return Fatal(
        f"the store at {found.root} has {_counted(found.shards)}, and this process was asked for {shards}: say"
        f" {option} {found.shards}, or divide the store anew with `rushes stores reshard {shards}` while nobody writes",
        code="shards_differ",
    )


def tables_at(root: Location) -> list[str]:
    """The names of tables that lie at the root itself and belong to a store of one shard."""
    return [name for name in files_at(root).tables() if name not in _OF_THE_ROOT]


def clear(layout: Layout) -> None:
    """Remove what a division left of the store's former shapes, also one that was cut off. The store is `layout`, and
    nobody writes. On an object store nothing is divided anew. Raises `OSError`.
    """
    if layout.root.path is None:
        return
    root, gone = layout.root.directory, []
    if layout.divided:
        gone += [root / name for name in tables_at(layout.root)]
        gone += [path for path in root.glob("*") if path.name.startswith(_BESIDE_TABLES)]
    if layout.divided or any(tables_at(layout.root)):  # or the file that says so may be what is missing
        current = f"{_GENERATION}{layout.generation}"
        gone += [path for path in root.glob(f"{_GENERATION}*") if path.name != current]
    if layout.generation:
        gone += root.glob("shard-*")
    removed = root / _REMOVED
    if gone:
        # Out of the way first, as a table that is half removed looks like no table.
        removed.mkdir(exist_ok=True)
        for path in gone:
            path.rename(removed / f"{secrets.token_hex(4)}-{path.name}")
    if removed.is_dir():
        shutil.rmtree(removed)
        sync(root)


def _counted(shards: int) -> str:
    return "1 shard" if shards == 1 else f"{shards} shards"
