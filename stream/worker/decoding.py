"""Records to events, and what is not even tried: bytes that are none, and records that killed whoever tried them."""

from stream.errors import BadEvent
from stream.topology.codec import EventDecoder
from stream.worker.work import Work

MAX_DEATHS_ALONE = 3
MAX_DEATHS_READING = MAX_DEATHS_ALONE + 2
"""From here on not even the record's bytes are looked at: reading them may be what kills."""


def read(work: Work, decoder: EventDecoder) -> None:
    """Gives the work its event, or an error, or both where the event must not be tried again."""
    deaths = work.record.deaths
    try:
        if deaths is not None and deaths >= MAX_DEATHS_READING:
            raise _killed(deaths)
        work.event = decoder.decode(work.record)
    except BadEvent as error:
        work.error = error
    if deaths is not None and deaths >= MAX_DEATHS_ALONE and work.error is None:
        work.error = _killed(deaths)


def parts_of(taken: list[Work], decoder: EventDecoder, *, singly: bool) -> list[list[Work]]:
    """What to work off, last first, once what has not been read is: each record by itself (`singly`), or the events
    together and each record with an error alone.
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
    return BadEvent(f"{deaths} workers died with this record alone in their hands", code="worker_killed")
