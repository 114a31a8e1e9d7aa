"""What plan learns of a source: facts, runs, key frames and identity, of all the recordings that are in it."""

from dataclasses import dataclass

from decoders.ffmpeg.container import MediaLimits
from decoders.ffmpeg.recording import Recording, Unread, read_recording
from decoders.ffmpeg.stream_changes import HEADLESS, with_changes
from decoders.ffmpeg.timeline import JUMP_FORWARD_S, SEQUENTIAL, ticks_to_ns
from decoders.protocol import Inspection, Source
from decoders.sources.identity import content_digest
from stream.errors import BadMedia, Superseded
from stream.events.asset import Media
from stream.events.grid import SECOND_NS, SEGMENT_NS
from stream.events.runs import Part, Run

MAX_RUNS = 500


def inspect_source(source: Source, limits: MediaLimits) -> Inspection:
    """Raises `BadMedia` (`unreadable_container`, `no_video`, `unknown_codec`, `encrypted`, `too_many_pixels`,
    `too_many_streams`, `too_long`, `too_discontinuous`, `no_frames`) and `Superseded` when the source changed while it
    was read.
    """
    version = source.version
    found = _recordings(source, version.size_bytes, limits)
    media, keyframes = _joined(found, version.size_bytes)
    _check_duration(media.duration_ns, limits)
    readable = [each for each in found if isinstance(each, Recording)]
    index = readable[0].index
    for further in readable[1:]:
        index.extend(further.index)
    digest = content_digest(source, version.size_bytes, readable[0].parameters, index)
    if source.version != version:
        raise Superseded(
            "the source changed while it was inspected; publish it when it is complete", code="source_changed"
        )
    return Inspection(version, digest, media, keyframes)


def _recordings(source: Source, size_bytes: int, limits: MediaLimits) -> list[Recording | Unread]:
    """In the order of the file. What could not be read is among them where footage seems to be in it."""
    found: list[Recording | Unread] = []
    errors: list[BadMedia] = []
    runs = 0
    window = range(0)
    while window.stop < max(1, size_bytes):
        read = read_recording(source, range(window.stop, size_bytes), limits)
        window = read.window
        if isinstance(read, Unread):
            errors.append(read.error)
            found += [read] if read.footage else []
            continue
        pieces = with_changes(source, read, limits)
        runs += sum(len(each.extents) for each in pieces)
        if runs > MAX_RUNS:
            raise BadMedia(f"time stamps jump {runs} times and more; the stream is damaged", code="too_discontinuous")
        found += pieces
    if not any(isinstance(each, Recording) for each in found):
        raise errors[0]
    return found


@dataclass(slots=True)
class _Layout:
    """Runs and parts end to end, as they are added."""

    runs: list[Run]
    parts: list[Part]
    keys: set[int]
    now_ns: int = 0

    def add(self, recording: Recording) -> None:
        media, first_run = recording.media, len(self.runs)
        self.runs += [
            run._replace(
                start_ns=run.start_ns + self.now_ns, end_ns=run.end_ns + self.now_ns, last_ns=run.last_ns + self.now_ns
            )
            for run in media.runs
        ]
        self.keys |= {self.now_ns + time_ns for time_ns in _key_times(recording)}
        self._place(recording.window, media, first_run)

    def leave(self, unread: Unread, facts: Media) -> None:
        """How long it is nobody knows: one whole cell stands for it, and is missing."""
        first_run = len(self.runs)
        end_ns = (-(-self.now_ns // SEGMENT_NS) + 1) * SEGMENT_NS
        self.runs.append(Run(0, self.now_ns, end_ns, end_ns))
        self._place(unread.window, facts.model_copy(update={"stream_index": -1}), first_run)

    def wait(self, gap_ns: int) -> None:
        """The last picture stays until the next recording begins."""
        self.runs[-1] = self.runs[-1]._replace(end_ns=self.now_ns + gap_ns)
        self.now_ns += gap_ns

    def _place(self, window: range, media: Media, first_run: int) -> None:
        self.now_ns = self.runs[-1].end_ns
        self.parts.append(
            Part(
                window.start,
                window.stop,
                media.stream_index,
                media.time_base_num,
                media.time_base_den,
                media.average_rate,
                media.reorder_ticks,
                first_run,
                len(self.runs),
            )
        )


def _joined(found: list[Recording | Unread], size_bytes: int) -> tuple[Media, tuple[int, ...]]:
    """One asset of all of them, with the facts of the first that could be read, and the times of its key frames."""
    readable = [each for each in found if isinstance(each, Recording)]
    facts = readable[0].media
    layout = _Layout([], [], set())
    before: Recording | None = None
    for each in found:
        if isinstance(each, Unread):
            layout.leave(each, facts)
            before = None
            continue
        if before is not None:
            layout.wait(_gap_ns(before, each))
        layout.add(each)
        before = each
    joined = {
        "runs": tuple(layout.runs),
        "parts": () if [each.window for each in found] == [range(size_bytes)] else tuple(layout.parts),
        "duration_ns": layout.now_ns,
        "frame_count": sum(each.media.frame_count or 0 for each in readable),
    }
    return facts.model_copy(update=joined), tuple(sorted(time for time in layout.keys if time < layout.now_ns))


def _gap_ns(before: Recording, after: Recording) -> int:
    """Where a film goes on in another stream of one file, the clock goes on: a short pause is one."""
    media = before.media
    if media.container not in HEADLESS or media.time_base_den != after.media.time_base_den:
        return 0
    ticks = after.extents[0].start_pts - before.extents[-1].end_pts
    gap_ns = ticks_to_ns(ticks, media.time_base_num, media.time_base_den)
    return gap_ns if 0 < gap_ns <= JUMP_FORWARD_S * SECOND_NS else 0


def _key_times(recording: Recording) -> set[int]:
    """Of the recording's own time. MPEG-PS flags every packet: then the container does not tell."""
    media = recording.media
    frames = sum(extent.frames for extent in recording.extents)
    if media.container in SEQUENTIAL and frames > 1 and all(extent.all_keys for extent in recording.extents):
        return set()
    num, den = media.time_base_num, media.time_base_den
    times = {
        run.start_ns + ticks_to_ns(pts - run.first_pts, num, den)
        for run, extent in zip(media.runs, recording.extents, strict=True)
        for pts in extent.key_pts
    }
    return {time_ns for time_ns in times if 0 <= time_ns < media.duration_ns}


def _check_duration(duration_ns: int, limits: MediaLimits) -> None:
    if duration_ns > limits.max_duration_s * SECOND_NS:
        raise BadMedia(
            f"claims to last {duration_ns / SECOND_NS:.0f} s; the limit is {limits.max_duration_s:.0f} s",
            code="too_long",
        )
