"""How new the watermarks of a store are: most batches tell of versions that none of them can void."""

import threading
import zlib
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sinks.assets.tombstones import Retirement

_BUCKETS = 1 << 16
_NEVER_MS = (1 << 63) - 1


class NewestMarks:
    """By a hash of the asset, the newest version that any watermark of such assets names: half a megabyte however many
    there are. It errs towards newer ones, which costs a look-up. Until `fill` it says of all that they are new.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # another thread fills it
        self._newest_ms = np.zeros(_BUCKETS, np.int64)
        self._filled = False

    def may_void(self, asset_key: str, version_ms: int) -> bool:
        """Whether a stored watermark of this asset may void a version of then."""
        return not self._filled or version_ms <= int(self._newest_ms[_bucket(asset_key)])

    def add(self, marks: Mapping[str, Retirement]) -> None:
        """Before these are stored."""
        with self._lock:
            for key, mark in marks.items():
                at = _bucket(key)
                self._newest_ms[at] = max(mark.newest.append_ms, int(self._newest_ms[at]))

    def fill(self, tables: Iterable[pa.Table]) -> None:
        """Rows of `RETIRED_SCHEMA`: all that is stored, as it is read after this was made."""
        if self._filled:
            return
        for rows in tables:
            places = np.fromiter(map(_bucket, rows["asset_key"].to_pylist()), np.int64, rows.num_rows)
            with self._lock:
                np.maximum.at(self._newest_ms, places, _times_ms(rows["retirement"]))
        self._filled = True


def _bucket(asset_key: str) -> int:
    return zlib.crc32(asset_key.encode()) % _BUCKETS


def _times_ms(marks: pa.ChunkedArray) -> NDArray[np.int64]:
    """The newest time that each names. Without making objects of all of them, of which there may be millions."""
    found = [pc.extract_regex(marks, rf'"{name}":\[(?P<ms>\d+),').combine_chunks() for name in ("deleted", "up_to")]
    times = [pc.struct_field(item, "ms").cast(pa.int64()) for item in found]
    # One that says nothing of either, which nobody writes, may void anything.
    newest: NDArray[np.int64] = pc.fill_null(pc.max_element_wise(*times, skip_nulls=True), _NEVER_MS).to_numpy()
    return newest
