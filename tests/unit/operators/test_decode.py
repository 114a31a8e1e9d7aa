"""Decode: a span is divided at its cells, and each of them is sent once."""

from collections.abc import Generator

from benchmarks.testbed.cells import span
from stream.events.asset import SegmentProgressed, SpanPlanned
from stream.events.base import Event
from stream.events.frames import EncodedFrames
from stream.events.grid import SEGMENT_NS
from stream.operators.decode import STRETCH, DecodeOperator

CELLS = 11


class Decoder:
    """Remembers which cells it decoded, and how often it was let go."""

    def __init__(self) -> None:
        self.decoded: list[int] = []
        self.closed = 0

    def decode(self, span: SpanPlanned) -> Generator[EncodedFrames]:
        try:
            for segment in range(span.first_segment, span.end_segment):
                self.decoded.append(segment)
                yield EncodedFrames(segment, span.segment_id(segment), b"")
        finally:
            self.closed += 1


class Waiting:
    """Somebody always waits."""

    def __init__(self) -> None:
        self.pieces = 0

    def done(self) -> int:
        return self.pieces

    def gives_way(self, done: int) -> bool:
        self.pieces = done
        return True


def test_a_span_gives_way_after_a_stretch_and_goes_on_behind_it() -> None:
    decoder, waiting = Decoder(), Waiting()
    operator = DecodeOperator(decoder)
    operator.divide_with(waiting)
    whole = span(20, CELLS * SEGMENT_NS).model_copy(update={"first_segment": 20, "end_segment": 20 + CELLS})
    event = Event(whole, "t", "p", "film", 1)
    turns = []
    for _ in range(3):
        sent = list(operator.process([event]))
        turns.append([it.data.segment for it in sent if isinstance(it.data, EncodedFrames)])
        assert [it.data.segment for it in sent if isinstance(it.data, SegmentProgressed)] == turns[-1]
    assert turns == [list(range(20, 24)), list(range(24, 28)), list(range(28, 31))]
    assert STRETCH == 4 and decoder.decoded == list(range(20, 31)) and decoder.closed == 3
