"""The status of an asset version (pure): the joined outcomes of its cells, with a reason in words."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict

from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.tombstones import Retirement
from stream.events.asset import AssetStatus, Outcome, Priority, Profile, SourceVersion
from stream.events.grid import segment_range, timecode
from stream.events.ids import LEFT_OUT, AssetVersion, kept_uri

SUPERSEDED = "superseded"
"""The code of a version whose source changed before it was decoded."""
NOT_KEPT = "uri_not_kept"
_NOT_KEPT_REASON = (
    "some of its segments are gone, and the query of its uri, which may be a secret, is not kept; publish it again"
)


class Attempt(BaseModel):
    """One version of an asset as plan announced it; `content_key` is None where it could not be planned.

    `announced` is the last status that the producer received, `superseded` the number of cells whose source had
    changed by then. `replanned`: a new publication was requested. `overtaken`: it was requested because of a later
    roll-out. `space` is where plan wants the cells, for roll-out `epoch_ms`; it is empty where an older release planned
    the version, and then any space counts. `source` are the bytes that were planned; None where an older release did
    it. `published_ms`: when it was published, where a gate passed it on since. The uri is stored without secrets. A
    `lost` version waits for cells that only the complete uri could bring.
    """

    model_config = ConfigDict(frozen=True)
    version: AssetVersion
    project: str
    # Rows of older releases stay readable: fields are only added, each with a default.
    uri: Annotated[str, AfterValidator(kept_uri)] = ""
    labels: dict[str, str] = {}
    content_key: str | None = None
    segment_count: int = 0
    duration_ns: int = 0
    source_timecode: str | None = None
    file_offset_ns: int = 0
    assumed: tuple[int, ...] = ()
    profile: Profile = "full"
    priority: Priority = "interactive"
    retention_days: int | None = None
    code: str | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    announced: AssetStatus | None = None
    superseded: int = 0
    replanned: bool = False
    lost: bool = False
    space: str = ""
    epoch_ms: int = 0
    overtaken: bool = False
    source: SourceVersion | None = None
    published_ms: int | None = None

    @property
    def has_whole_uri(self) -> bool:
        """Whether the uri still identifies the object. Two objects may differ in the query alone, which is not kept."""
        return "://" not in self.uri or not self.uri.endswith(LEFT_OUT)

    def joined(self, other: "Attempt") -> "Attempt":
        """Join two reports of plan about one version: planned wins over failed, the later roll-out counts, assumptions
        are united. Commutative.
        """
        # The whole content breaks ties, so that two reports that differ join to the same in either order.
        first, second = sorted(
            (self, other), key=lambda item: (item.content_key is None, -item.epoch_ms, item.model_dump_json())
        )
        return first.model_copy(
            update={
                "assumed": tuple(sorted({*first.assumed, *second.assumed})),
                # What the index itself has remembered of this version. Reports of plan know nothing of it.
                "announced": self.announced,
                "superseded": self.superseded,
                "replanned": self.replanned or other.replanned,
                "lost": self.lost or other.lost,
                "overtaken": self.overtaken or other.overtaken,
            }
        )

    def relies_on(self, content_key: str, segment: int, version: AssetVersion) -> bool:
        """Whether the outcome of a cell in `version` may count: plan assumed the cell, or the outcome is not older."""
        return content_key == self.content_key and (version >= self.version or segment in self.assumed)


class Stored(NamedTuple):
    """The version and roll-out that stored a cell in a space, and whether its rows show errors."""

    version: AssetVersion
    epoch_ms: int = 0
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """The stored version of a cell by space, and its newest failure."""

    stored: Mapping[str, Stored] = field(default_factory=dict)
    failure: LedgerEntry | None = None

    @property
    def done(self) -> AssetVersion | None:
        """The highest stored version, in any space."""
        return max((held.version for held in self.stored.values()), default=None)

    def done_in(self, space: str) -> AssetVersion | None:
        """The stored version in `space`; in any space if the name is empty."""
        if not space:
            return self.done
        return self.stored[space].version if space in self.stored else None

    def damaged_in(self, space: str) -> bool:
        """Whether the rows of `done_in` show errors."""
        held = max(self.stored.values(), default=None) if not space else self.stored.get(space)
        return held is not None and held.damaged

    def joined(self, item: LedgerEntry) -> "CellOutcome":
        if item.outcome is Outcome.DONE:
            fresh = Stored(item.version, item.epoch_ms, bool(item.damaged))
            # The larger one stays, so that a redelivered row changes nothing.
            return replace(self, stored={**self.stored, item.space: max(fresh, self.stored.get(item.space, fresh))})
        rank = (item.version, item.outcome.rank)
        # Outcomes are ranked, and the later version comes first (ADR 0005).
        if self.failure is not None and rank <= (self.failure.version, self.failure.outcome.rank):
            return self
        return replace(self, failure=item)


Outcomes = Mapping[str, Mapping[int, CellOutcome]]
"""By content key, then by segment."""


def outcomes_of(ledger_entries: Iterable[LedgerEntry]) -> Outcomes:
    found: dict[str, dict[int, CellOutcome]] = {}
    for item in ledger_entries:
        cells = found.setdefault(item.content_key, {})
        cells[item.segment] = cells.get(item.segment, CellOutcome()).joined(item)
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """Status of one attempt. `missing_ns`: half-open ranges of settled cells that have no rows. `superseded`: so many
    of them because the source changed. `space`, of roll-out `epoch_ms`: where the cells count. `scattered`: each cell
    has an outcome, but not all in that space. `damaged_ns`: ranges of cells whose rows show errors.
    """

    status: AssetStatus
    done: int = 0
    missing_ns: tuple[tuple[int, int], ...] = ()
    code: str | None = None
    reason: str | None = None
    superseded: int = 0
    space: str = ""
    epoch_ms: int = 0
    scattered: bool = False
    damaged_ns: tuple[tuple[int, int], ...] = ()


def standing(attempt: Attempt, outcomes: Outcomes, retirement: Retirement) -> Standing:
    """An outcome counts if its version is not older than the attempt's, or if plan assumed the cell done. Cells count
    in the space that plan named. If that one lacks some, they count in the space of the latest roll-out with any.
    """
    # It could not be planned, so there are no cells to count.
    if attempt.content_key is None:
        return Standing(AssetStatus.FAILED, code=attempt.code, reason=attempt.reason)
    counting = _Counting(attempt, outcomes.get(attempt.content_key, {}), retirement)
    space, epoch_ms = attempt.space, attempt.epoch_ms
    done = counting.done_in(space)
    if len(done) < attempt.segment_count and space:
        # Not ready in the planned space: a later roll-out may have finished the cells in its own (ADR 0034).
        epoch_ms, space = max([(epoch_ms, space), *counting.later()])
        done = counting.done_in(space)
    # A done cell wins over its failures (ADR 0005).
    failures = {segment: found for segment, found in counting.failures().items() if segment not in done}
    anywhere = counting.done_in("") | failures.keys()
    scattered = len(anywhere) == attempt.segment_count > len(done) + len(failures)
    found = _judged(attempt, len(done), failures)
    damaged = [segment for segment in sorted(done) if counting.cells[segment].damaged_in(space)]
    hurt = _ranges(damaged, attempt.duration_ns)
    return replace(found, space=space, epoch_ms=epoch_ms, scattered=scattered, damaged_ns=hurt)


def settled(cell: CellOutcome | None, content: str, retirement: Retirement) -> bool:
    """Whether a cell has an outcome that is not void."""
    if cell is None:
        return False
    versions = (cell.done, cell.failure.version if cell.failure else None)
    return any(version is not None and not retirement.voids(content, version) for version in versions)


def retirement_by(live: Attempt, attempts: Collection[Attempt], outcomes: Outcomes, before: Retirement) -> Retirement:
    """What the live version voids as it is ready. Of its own content that is what is older than other content that was
    published in between, whether that became live or not: how records fall into batches decides which is ready first.
    What a version relies on stays. `before`: what is void already.
    """
    mark = Retirement(up_to=live.version, keep=live.content_key)
    others = [item.version for item in attempts if item.content_key not in (None, live.content_key)]
    if not others:
        return mark

    def ready(item: Attempt, retirement: Retirement) -> bool:
        return standing(item, outcomes, retirement).status is AssetStatus.READY

    same = [item for item in attempts if item.content_key == live.content_key and item.version <= live.version]
    alone = max((item.version for item in same if not item.assumed and ready(item, before)), default=(0, 0))
    between = max((version for version in others if version < alone), default=None)
    strict = mark.model_copy(update={"keep_after": between})
    return strict if ready(live, before.joined(strict)) else mark


@dataclass(frozen=True, slots=True)
class _Counting:
    """The cells of an attempt, and which of their outcomes count."""

    attempt: Attempt
    cells: Mapping[int, CellOutcome]
    retirement: Retirement

    def done_in(self, space: str) -> set[int]:
        return {segment for segment, cell in self._own() if self._counts(segment, cell.done_in(space))}

    def failures(self) -> dict[int, LedgerEntry]:
        found = {segment: cell.failure for segment, cell in self._own() if cell.failure is not None}
        return {segment: failure for segment, failure in found.items() if self._counts(segment, failure.version)}

    def later(self) -> Iterator[tuple[int, str]]:
        """Roll-outs later than the plan's that stored some cells, and their spaces."""
        for segment, cell in self._own():
            for space, held in cell.stored.items():
                if held.epoch_ms > self.attempt.epoch_ms and self._counts(segment, held.version):
                    yield held.epoch_ms, space

    def _own(self) -> Iterator[tuple[int, CellOutcome]]:
        for segment, cell in self.cells.items():
            # More cells than planned would make the done ones exceed the count.
            if segment < self.attempt.segment_count:
                yield segment, cell

    def _counts(self, segment: int, version: AssetVersion | None) -> bool:
        # A cell that plan assumed was stored by an earlier version, so any version of it counts.
        since = None if segment in self.attempt.assumed else self.attempt.version
        return _counts(version, since, self.attempt.content_key or "", self.retirement)


def _counts(version: AssetVersion | None, since: AssetVersion | None, content_key: str, retirement: Retirement) -> bool:
    # Retirement wins over everything: it must hold however late a row arrives (ADR 0003).
    if version is None or retirement.voids(content_key, version):
        return False
    return since is None or version >= since


def _judged(attempt: Attempt, done: int, failures: Mapping[int, LedgerEntry]) -> Standing:
    if done == attempt.segment_count:
        return Standing(AssetStatus.READY, done)
    missing = _ranges(sorted(failures), attempt.duration_ns)
    superseded = sum(item.outcome is Outcome.SUPERSEDED for item in failures.values())
    # Not all cells are settled. Only a version whose cells nobody can bring is judged already.
    if done + len(failures) < attempt.segment_count:
        if attempt.lost:
            status = AssetStatus.PARTIAL if done else AssetStatus.FAILED
            return Standing(status, done, missing, NOT_KEPT, _NOT_KEPT_REASON)
        return Standing(AssetStatus.PLANNED, done, missing)
    status = AssetStatus.PARTIAL if done else AssetStatus.FAILED
    # A changed source voids all other failures: to publish again is the remedy for all of them.
    code = SUPERSEDED if superseded else _reported(failures).code
    return Standing(status, done, missing, code, _reason(attempt, failures, missing), superseded)


def _reported(failures: Mapping[int, LedgerEntry]) -> LedgerEntry:
    """The failure to report: a changed source, because it voids all others, else the first one."""
    superseded = [segment for segment, item in failures.items() if item.outcome is Outcome.SUPERSEDED]
    return failures[min(superseded or failures)]


def _reason(attempt: Attempt, failures: Mapping[int, LedgerEntry], missing: tuple[tuple[int, int], ...]) -> str:
    first = _reported(failures)
    shown = ", ".join(f"{timecode(start)}-{timecode(end)}" for start, end in missing[:5])
    more = f" and {len(missing) - 5} more ranges" if len(missing) > 5 else ""
    why = first.message or first.code
    if first.outcome is Outcome.SUPERSEDED:
        why = "the source changed while it was being read; publish it again"
    # Messages come from other stages, so the reason is bounded.
    return f"{len(failures)} of {attempt.segment_count} segments missing ({shown}{more}): {why}"[:2000]


def _ranges(segments: list[int], duration_ns: int) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in (segment_range(segment, duration_ns) for segment in segments):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)
