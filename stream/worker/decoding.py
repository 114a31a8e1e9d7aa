"""Records to events. Refuses bytes that are no event and records that killed the workers that tried them (ADR 0016)."""

from stream.errors import BadEvent
from stream.topology.codec import EventDecoder
from stream.worker.work import Work

MAX_DEATHS_ALONE = 3
MAX_DEATHS_READING = MAX_DEATHS_ALONE + 2
"""From this count on even the record's bytes are not decoded: reading them may be what kills the worker."""


def read(work: Work, decoder: EventDecoder) -> None:
    """Gives the work its event or an error; both where the event must not be tried again."""
    deaths = work.record.deaths
    try:
        if deaths is not None and deaths >= MAX_DEATHS_READING:
            raise _killed(deaths)
        work.event = decoder.decode(work.record)
    except BadEvent as error:
        work.error = error
    # The event is still decoded below `MAX_DEATHS_READING`, so that the dead letter can name its owner.
    if deaths is not None and deaths >= MAX_DEATHS_ALONE and work.error is None:
        work.error = _killed(deaths)


def parts_of(taken: list[Work], decoder: EventDecoder, *, singly: bool) -> list[list[Work]]:
    """The parts to process, the first one at the end of the list. Records are decoded first. With `singly` each record
    is a part. Otherwise the events form one part and each record with an error is a part of its own.
    """
    for work in taken:
        if work.event is None:
            read(work, decoder)
    if singly:
        return [[work] for work in reversed(taken)]
    faulty = [[work] for work in taken if work.error is not None]
    if not faulty:
        return [taken]
    sound = [work for work in taken if work.error is None]
    return [*reversed(faulty), sound] if sound else faulty[::-1]


def _killed(deaths: int) -> BadEvent:
    return BadEvent(f"{deaths} workers died while they processed this record alone", code="worker_killed")
