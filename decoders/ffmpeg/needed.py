"""Chooses the packets that lead to wanted pictures (pure): the rest of a group of pictures is not decoded.

A wanted picture is the one on display at a position. What it needs is everything from the place where decoding last
began, without pictures that none refers to. Behind the last wanted picture of a group nothing is needed until a later
place where decoding may begin.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

P = TypeVar("P")
MAX_HELD = 512
"""Packets that wait for a choice. Where a group begins long before the first position, its beginning is decoded."""


@dataclass(frozen=True, slots=True)
class CodedPicture(Generic[P]):
    """A packet, and what is known of its picture: when it is shown (None where that is unknown, or never), whether
    decoding may begin here and whether no picture refers to it (`picture_units.UnitFacts`).
    """

    packet: P
    time_ns: int | None
    starts: bool = False
    spared: bool = False


class Needed(Generic[P]):
    """`positions_ns` ascend and lie before `end_ns`; `reordered` is how many pictures may come before one that is shown
    earlier. `passed` gets each packet that is left out, the last of them the first that is shown at the end or later.
    """

    def __init__(
        self, positions_ns: Sequence[int], end_ns: int, reordered: int, passed: Callable[[CodedPicture[P]], None]
    ) -> None:
        self._positions = deque(positions_ns)
        self._end_ns = end_ns
        self._ended = False
        self._reordered = reordered
        self._passed = passed
        self._held: list[CodedPicture[P]] = []
        self._decoded_ns: list[int] = []
        self._resumed_ns: int | None = None
        self._first = True
        self._broken = False

    def of(self, following: Iterable[CodedPicture[P]]) -> Iterator[P | None]:
        """The packets to decode, in order. None: the decoder gives out what it holds, and begins anew."""
        for each in following:
            yield from self._take(each)
            if self._ended:
                return
        while self._positions:
            yield from self._show(self._positions[0])
        self._leave_out(len(self._held))

    def _take(self, each: CodedPicture[P]) -> Iterator[P | None]:
        if self._first:
            # The caller checks that its seek led to a key frame, so that one is always decoded.
            self._first = False
            yield from self._decode(each)
            return
        self._held.append(each)
        if each.starts:
            self._skip_ahead()
        while self._positions and self._certain(self._positions[0]):
            yield from self._show(self._positions[0])
        if not self._positions:
            self._leave_out(len(self._held))
        elif len(self._held) > MAX_HELD:
            yield from self._release(MAX_HELD // 2)

    def _certain(self, position_ns: int) -> bool:
        """Whether no packet that follows can be shown at or before the position."""
        # Most packets come when there are too few to ask each.
        if len(self._held) <= self._reordered:
            return False
        later = sum(each.time_ns is not None and each.time_ns > position_ns for each in self._held)
        return later > self._reordered

    def _skip_ahead(self) -> None:
        """Leaves out everything before the last place that decoding for the next position may begin at."""
        if not self._positions:
            return
        for number in range(len(self._held) - 1, 0, -1):
            each = self._held[number]
            if each.starts and each.time_ns is not None and each.time_ns <= self._positions[0]:
                self._leave_out(number)
                # Pictures that are shown before it may refer to what was left out.
                self._resumed_ns, self._broken = each.time_ns, True
                return

    def _show(self, position_ns: int) -> Iterator[P | None]:
        """Up to the picture on display at the position, which is the next one."""
        before = [time_ns for time_ns in self._decoded_ns if time_ns <= position_ns]
        newest, last = max(before, default=-1), -1
        for number, each in enumerate(self._held):
            if each.time_ns is not None and newest < each.time_ns <= position_ns:
                newest, last = each.time_ns, number
        yield from self._release(last + 1)
        # Only what is shown later, and the picture that stays on display.
        self._decoded_ns = [time_ns for time_ns in self._decoded_ns if time_ns >= newest]
        self._positions.popleft()
        self._skip_ahead()

    def _release(self, count: int) -> Iterator[P | None]:
        leaving, rest = self._held[:count], self._held[count:]
        for number, each in enumerate(leaving):
            if self._is_needed(each, (*leaving[number + 1 :], *rest)):
                yield from self._decode(each)
            else:
                self._passed(each)
        self._held = rest

    def _is_needed(self, each: CodedPicture[P], others: Iterable[CodedPicture[P]]) -> bool:
        if each.time_ns is None:
            return True
        if self._resumed_ns is not None and each.time_ns < self._resumed_ns:
            return False
        if not each.spared:
            return True
        position_ns = next((position for position in self._positions if position >= each.time_ns), None)
        if position_ns is None:
            return False
        shown = (*self._decoded_ns, *(other.time_ns for other in others if other.time_ns is not None))
        return not any(each.time_ns < time_ns <= position_ns for time_ns in shown)

    def _decode(self, each: CodedPicture[P]) -> Iterator[P | None]:
        if self._broken:
            self._broken = False
            yield None
        if each.time_ns is not None:
            self._decoded_ns.append(each.time_ns)
        yield each.packet

    def _leave_out(self, count: int) -> None:
        for each in self._held[:count]:
            self._passed(each)
            self._ended |= not self._positions and each.time_ns is not None and each.time_ns >= self._end_ns
        del self._held[:count]
