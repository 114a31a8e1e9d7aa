"""The ledger's read side: which segments are durable in the index. Any process, a fresh view at every call."""

from collections.abc import Collection
from pathlib import Path

from sinks.guard import guarded
from sinks.lance import SEGMENTS
from sinks.lance_tables import LanceTables
from stream.events.asset import Outcome


class LanceLedger:
    """Answers from the index under `directory`; nothing is known while it does not exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tables = LanceTables(directory)

    def done(
        self, segment_ids: Collection[str], space_key: str, understand_digest: str, *, min_revision: int = 0
    ) -> set[str]:
        """Those that are stored in `space_key`, made by the understand stage with this digest. `min_revision` 1 asks
        for captioned ones.
        """
        rows = self._rows(segment_ids)
        return {
            str(row["segment_id"])
            for row in rows
            if row["outcome"] == Outcome.DONE
            and row["space"] == space_key
            and row["understand_digest"] == understand_digest
            and int(str(row["revision"])) >= min_revision
        }

    def failed(self, segment_ids: Collection[str]) -> set[str]:
        """Those whose last word is a failure: never stored in any space, by any version since."""
        rows = self._rows(segment_ids)
        done: dict[str, tuple[int, int]] = {}
        failures: dict[str, tuple[int, int]] = {}
        for row in rows:
            held = done if row["outcome"] == Outcome.DONE else failures
            version = (int(str(row["version_ms"])), int(str(row["version_offset"])))
            held[str(row["segment_id"])] = max(version, held.get(str(row["segment_id"]), version))
        return {segment for segment, version in failures.items() if done.get(segment, (-1, -1)) < version}

    def _rows(self, segment_ids: Collection[str]) -> list[dict[str, object]]:
        columns = ["segment_id", "space", "outcome", "understand_digest", "version_ms", "version_offset", "revision"]
        with guarded(self._directory, "the index"):
            try:
                return self._tables.select_in(SEGMENTS, "segment_id", segment_ids, columns)
            except Exception:
                self._tables.forget()
                raise
