"""What the plan stage learns about a source: facts, runs, key frames and identity of all recordings in it."""

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

# Runs travel with the asset's facts in every span and every cell, so their number is bounded.
MAX_RUNS = 500


def inspect_source(source: Source, limits: MediaLimits) -> Inspection:
    """Facts, identity and key frames of the source. Raises `BadMedia` (`unreadable_container`, `no_video`,
    `still_picture`, `unknown_codec`, `encrypted`, `too_many_pixels`, `too_many_streams`, `too_long`,
    `too_discontinuous`, `no_frames`) and `Superseded` when the source changed while it was read.
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
    # Again at the end: the facts of one version and the digest of another would be a false identity.
    if source.version != version:
        raise Superseded(
            "the source changed while it was inspected; publish it when it is complete", code="source_changed"
        )
    return Inspection(version, digest, media, keyframes)


def _recordings(source: Source, size_bytes: int, limits: MediaLimits) -> list[Recording | Unread]:
    """Recordings in file order, with the unreadable ones that seem to hold footage. Raises `BadMedia` if none is
    readable.
    """
    found: list[Recording | Unread] = []
    errors: list[BadMedia] = []
    runs = 0
    window = range(0)
    # `max`, so that an empty file is opened once as well and gives its error.
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
            raise BadMedia(f"time stamps jump at least {runs} times; the stream is damaged", code="too_discontinuous")
        found += pieces
    if not any(isinstance(each, Recording) for each in found):
        # The first error is about the file's own head. Later ones come from bytes in its middle.
        raise errors[0]
    return found


@dataclass(slots=True)
class _Layout:
    """Collects runs and parts and lays them end to end."""

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
        """Adds an unreadable recording. Its length is unknown, so it takes one whole cell, which is then missing."""
        first_run = len(self.runs)
        # Rounded up first, so that the gap includes one cell with no footage at all.
        end_ns = (-(-self.now_ns // SEGMENT_NS) + 1) * SEGMENT_NS
        self.runs.append(Run(0, self.now_ns, end_ns, end_ns))
        self._place(unread.window, facts.model_copy(update={"stream_index": -1}), first_run)

    def wait(self, gap_ns: int) -> None:
        """Keeps the last picture on display until the next recording begins."""
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
    """One asset made of all recordings, with the facts of the first readable one, and its key-frame times (ns)."""
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
        # One recording that fills the file needs no parts: `parts_of` then takes `media` itself.
        "parts": () if [each.window for each in found] == [range(size_bytes)] else tuple(layout.parts),
        "duration_ns": layout.now_ns,
        "frame_count": sum(each.media.frame_count or 0 for each in readable),
    }
    return facts.model_copy(update=joined), tuple(sorted(time for time in layout.keys if time < layout.now_ns))


def _gap_ns(before: Recording, after: Recording) -> int:
    """The pause between two pieces of a film that continues in another stream of the file: both share one clock."""
    media = before.media
    if media.container not in HEADLESS or media.time_base_den != after.media.time_base_den:
        return 0
    ticks = after.extents[0].start_pts - before.extents[-1].end_pts
    gap_ns = ticks_to_ns(ticks, media.time_base_num, media.time_base_den)
    return gap_ns if 0 < gap_ns <= JUMP_FORWARD_S * SECOND_NS else 0


def _key_times(recording: Recording) -> set[int]:
    """Key-frame times (ns) from the recording's own start; empty where the container does not mark key frames."""
    media = recording.media
    frames = sum(extent.frames for extent in recording.extents)
    # FFmpeg flags every packet of an MPEG program stream as a key frame, so the flags say nothing there.
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
