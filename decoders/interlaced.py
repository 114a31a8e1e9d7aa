"""One field of an interlaced frame: what was on display at the frame's own time, without combs and mixed chroma."""

from fractions import Fraction

import av
import av.filter

_ANY_TIME_BASE = Fraction(1, 1000)
"""The filter needs one, fields do not; frames that a decoder releases at its end have none."""


class FieldExtractor:
    """The top field as a picture of half the height, by stride arithmetic alone (FFmpeg's `field`): no pixel is copied.

    An interlaced frame holds two moments, half a frame apart. Scaled as one picture they leave a ghost and, where 2
    lines become 1 only nearly, a comb; 4:2:0 chroma lines belong to one field each and bleed into the other's. Samples
    need 256 lines, so a field has enough of them. Progressive frames come back as they are.
    """

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[int, int, str] | None = None

    def field(self, frame: av.VideoFrame) -> av.VideoFrame:
        if not frame.interlaced_frame:
            return frame
        shape = frame.width, frame.height, frame.format.name
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = _graph(frame), shape
        self._graph.vpush(frame)
        return self._graph.vpull()


def _graph(frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_ANY_TIME_BASE)
    graph.link_nodes(source, graph.add("field", "type=top"), graph.add("buffersink")).configure()
    return graph
