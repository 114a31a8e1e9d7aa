"""Which ids of a column a table may hold, told in memory without a look: a Bloom filter (Bloom 1970)."""

import threading
from collections.abc import Collection, Iterable
from hashlib import shake_256

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_BITS_AN_ID = 12
_POSITIONS = 6
_LEAST_IDS = 65_536
# Odd numbers without a pattern. NumPy's generators would be loaded for nothing else.
_MIXERS = np.frombuffer(shake_256(b"mixers of ids").digest(64 * 8), np.uint64) | np.uint64(1)
_WORD = 8

Words = NDArray[np.uint64]


class StoredIds:
    """Of one table, for its one writer. It says no only of ids that the table does not hold: everything that is written
    is added before, and what was there is added by `fill`, until which it says of each that it may be there. Of one in
    some hundred it says so wrongly. 12 bits an id, for as many as there is room for when it is filled; beyond that it
    is `worn`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # another thread fills it
        self._early: list[pa.Array] = []
        self._bits: NDArray[np.uint8] | None = None
        self._room = _LEAST_IDS

    @property
    def filled(self) -> bool:
        return self._bits is not None

    @property
    def worn(self) -> bool:
        """Whether another one is to take its place, before the next is added: it is wrong more and more often, as it
        keeps ids that went, or waits in vain to be filled.
        """
        return self._room < 0

    def held_of(self, ids: Collection[str]) -> list[str]:
        """Those that the table may hold."""
        bits, asked = self._bits, sorted(ids)
        if bits is None or not asked:
            return asked
        places = _places(pa.array(asked, pa.string()), bits.size)
        found = (bits[places >> 3] & (1 << (places & 7)).astype(np.uint8)).astype(bool).all(axis=1)
        return [one for one, there in zip(asked, found.tolist(), strict=True) if there]

    def add(self, ids: Collection[str]) -> None:
        """Before rows of these are written."""
        with self._lock:
            added = pa.array(list(ids), pa.string())
            if self._bits is None:
                self._early.append(added)
                self._room -= len(added)
            else:
                self._room -= _set(self._bits, added)

    def fill(self, ids: Iterable[pa.Array], count: int) -> None:
        """Ids of the table, of about so many rows, as they are read after this was made."""
        room = count + max(_LEAST_IDS, count // 2)
        bits = np.zeros(-(-_BITS_AN_ID * room // 8), np.uint8)
        room -= sum(_set(bits, some) for some in ids)
        with self._lock:
            self._room = room - sum(_set(bits, some) for some in self._early)
            self._early.clear()
            self._bits = bits


def _set(bits: NDArray[np.uint8], ids: pa.Array) -> int:
    """How many there were."""
    found = ids.unique()
    places = _places(found, bits.size).ravel()
    np.bitwise_or.at(bits, places >> 3, (1 << (places & 7)).astype(np.uint8))
    return len(found)


def _places(ids: pa.Array, size: int) -> NDArray[np.int64]:
    """Bits of each id, in so many bytes."""
    first, step = _hashed(ids)
    steps = np.arange(_POSITIONS, dtype=np.uint64)
    places: NDArray[np.int64] = ((first[:, None] + steps * step[:, None]) % np.uint64(8 * size)).astype(np.int64)
    return places


def _hashed(ids: pa.Array) -> tuple[Words, Words]:
    """Two numbers of each id. They are the same however many others there are and however long these are."""
    texts = np.array(ids.cast(pa.binary()).to_pylist(), dtype=np.bytes_)
    width = -(-max(1, texts.itemsize) // _WORD) * _WORD
    words = texts.astype(f"S{width}").view(np.uint64).reshape(len(ids), width // _WORD)
    # Multiplication wraps around, and words of a shorter id that are missing count nothing.
    mixed = np.zeros(len(ids), np.uint64)
    for at in range(words.shape[1]):
        word = words[:, at] * _MIXERS[at % len(_MIXERS)]
        mixed += word ^ (word >> np.uint64(31))
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIXERS[-1]
    return mixed ^ (mixed >> np.uint64(32)), (mixed * _MIXERS[-2]) | np.uint64(1)
