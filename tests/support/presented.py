"""What a whole decode shows of a clip of numbered pictures: which picture from when on, tick by tick."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.testbed.footage import span_of
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.plan import plan_spans
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.errors import BadMedia
from stream.events.asset import Media, Profile
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS, TICK_NS, dense_ticks, segment_count
from tests.support.numbered_clips import number_in


@dataclass(frozen=True, slots=True)
class Shown:
    """`pictures`: (number, from when on in seconds, to the tick). `missing` and `damaged` are segments."""

    media: Media
    pictures: list[tuple[int, float]]
    missing: tuple[int, ...]
    damaged: tuple[int, ...]
    records: list[bytes]

    @property
    def seconds(self) -> float:
        return self.media.duration_ns / SECOND_NS


def shown(path: Path, *, profile: Profile = "full", span_s: int = 100_000) -> Shown:
    """Inspected, planned and decoded in spans of at most `span_s`."""
    source = open_source(str(path), SourcePolicy(roots=(str(path.parent),)))
    decoder = PyAVDecoder()
    found = decoder.inspect(source)
    cells = range(segment_count(found.media.duration_ns))
    records: list[Frames] = []
    missing: list[int] = []
    for span in plan_spans(found.media, (), cells, max_span_ns=span_s * SECOND_NS, max_cost_cpu_s=1e9, profile=profile):
        try:
            for frames in decoder.decode(source, span_of(found, path, span, profile=profile)):
                records.append(frames)  # noqa: PERF402 - what came before the error counts
        except BadMedia as error:
            missing += error.segments
    source.close()
    damaged = tuple(frames.segment for frames in records if frames.damaged)
    return Shown(found.media, _pictures(records), tuple(missing), damaged, [frames.to_bytes() for frames in records])


def _pictures(records: list[Frames]) -> list[tuple[int, float]]:
    pictures: list[tuple[int, float]] = []
    for frames in records:
        if (dense := frames.dense) is None:
            continue
        start_ns, end_ns = frames.range_ns
        for tick, picture in zip(dense_ticks(frames.segment), dense, strict=True):
            number = number_in(picture[..., 1])
            if start_ns <= tick * TICK_NS < end_ns and (not pictures or pictures[-1][0] != number):
                pictures.append((number, tick * TICK_NS / SECOND_NS))
    return pictures
