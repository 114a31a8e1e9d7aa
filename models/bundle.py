"""All models of one topology: decoded cells in, annotated cells out."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from models.absent import NONE, Absent
from models.captions.captioners import TEMPLATE_METHOD, template_caption
from models.pictures.colour import images_of
from models.pictures.colour_device import DeviceColour
from models.pictures.geometry import unit_rows
from models.pictures.thumbnails import jpeg
from models.protocol import Embedder, Floats, Image, Moderator, ShotDetector, Tagger
from models.shots.assembly import MomentRange, assemble, cut_times, cuts_from_probabilities
from stream.errors import BadMedia
from stream.events.annotations import Annotations, AnnotationsHeader, ModelStamp, Space, moments_schema
from stream.events.frames import Frames
from stream.events.grid import CONTEXT_TICKS, TICK_NS, TICKS_PER_SEGMENT
from stream.events.ids import digest, moment_id

# Raise this when the rows would differ although no model changed.
ALGORITHM = 3
# Part of the digest: with another gate the rows differ and are made again.
TAG_GATE = 0.15
MAX_TAGS = 8
# Shot detectors are promised whole steps of 50 ticks.
STEP_TICKS = 50
# Threads for moderation and for the cells' rows; most of that time goes into thumbnails.
SIDE_BY_SIDE = 8
Defer = Callable[[Callable[[], Any]], Callable[[], Any]]


@dataclass(frozen=True, slots=True)
class _Views:
    """The models' results for the samples of one cell, one row per sample."""

    images: Sequence[Image]
    probabilities: Floats
    vectors: Floats
    image_vectors: Floats
    nsfw: Floats


class Bundle:
    """Shots, tags, moderation and one embedding space over the same samples.

    On an accelerator (`device` other than `cpu`) it converts samples to RGB. Shots take longest there, so they run cell
    by cell in their own thread while the host prepares pictures for the other models. A cell's rows are made when its
    cuts are known. On a CPU each model gets all cores in turn.

    What has no model is not looked for, and costs nothing: `models` of a cell and `shot_method` say so, moderation is
    null, `caption_method` is `none` without tags, and rows without vectors lie in a space of their own.
    """

    def __init__(
        self,
        shots: ShotDetector | None,
        tagger: Tagger | None,
        moderator: Moderator | None,
        embedder: Embedder | None,
        *,
        device: str = "cpu",
    ) -> None:
        self._images: Callable[[Frames], list[Image]] = images_of if device == "cpu" else DeviceColour(device)
        self._side_by_side = device != "cpu"
        self.shots: ShotDetector = shots or Absent()
        self.tagger: Tagger = tagger or Absent()
        self.moderator: Moderator = moderator or Absent()
        self.embedder: Embedder = embedder or Absent()

    @property
    def space(self) -> Space:
        """Of the rows; known without loading weights."""
        return self.embedder.space

    @property
    def stamps(self) -> tuple[ModelStamp, ...]:
        """Of the models that look."""
        return tuple(model.stamp() for model in self._models if not isinstance(model, Absent))

    @property
    def digest(self) -> str:
        """The digest of everything that decides the rows; known without loading weights."""
        parts = [(stamp.role, stamp.name, stamp.version, stamp.digest) for stamp in self.stamps]
        return digest("understand", ALGORITHM, TAG_GATE, MAX_TAGS, parts)

    @property
    def _models(self) -> tuple[ShotDetector, Tagger, Moderator, Embedder]:
        return self.shots, self.tagger, self.moderator, self.embedder

    def open(self) -> None:
        for model in self._models:
            model.open()

    def close(self) -> None:
        for model in self._models:
            model.close()

    def annotate(self, frames: Sequence[Frames], *, epoch_ms: int) -> list[Annotations]:
        """One `Annotations` per cell, in order. A result does not depend on the other cells in the call.

        Raises `BadMedia` (`no_samples`) for a cell without a sample.
        """
        empty = [cell.segment for cell in frames if not cell.samples]
        if empty:
            raise BadMedia("a segment arrived without any frame", code="no_samples", segments=empty)
        # Before the threads start: on an accelerator this conversion uses the device alone (ADR 0011).
        images = [self._images(cell) for cell in frames]
        with self._deferring() as defer, self._deferring(1) as one_by_one:
            # One at a time: one thread at a time calls a model.
            cuts = [one_by_one(partial(self._cuts, cell)) for cell in frames]
            views = self._views(images, defer)
            made = [
                defer(partial(self._annotate, cell, view, found, epoch_ms))
                for cell, view, found in zip(frames, views, cuts, strict=True)
            ]
            return [each() for each in made]

    @contextmanager
    def _deferring(self, threads: int = SIDE_BY_SIDE) -> Iterator[Defer]:
        """A function that starts a call in a thread (on a CPU: defers it), and returns a function for its result."""
        if not self._side_by_side:
            yield lambda call: call
            return
        beside = ThreadPoolExecutor(threads)
        try:
            yield lambda call: beside.submit(call).result
        finally:  # after a failure nobody needs the calls that have not started
            beside.shutdown(cancel_futures=True)

    def _views(self, images: Sequence[Sequence[Image]], defer: Defer) -> list[_Views]:
        # All cells in one call: batches on an accelerator are then full.
        every = [image for cell in images for image in cell]
        scores = defer(lambda: self.moderator.nsfw(every))
        # Moderation runs beside the tagger. The embedder must wait, because it may build on the predictions.
        predictions = self.tagger.predict(every)
        vectors = self.embedder.embed(every, predictions)
        image_vectors = self.embedder.embed_images(every, predictions) if self._has_image_vectors else vectors
        nsfw = scores()
        edges = np.cumsum([0, *(len(cell) for cell in images)])
        return [
            _Views(
                cell,
                predictions.probabilities[first:last],
                vectors[first:last],
                image_vectors[first:last],
                nsfw[first:last],
            )
            for cell, first, last in zip(images, edges[:-1], edges[1:], strict=True)
        ]

    @property
    def _has_image_vectors(self) -> bool:
        return self.space.image_dimensions is not None

    def _annotate(self, cell: Frames, view: _Views, cuts: Callable[[], list[int]], epoch_ms: int) -> Annotations:
        start_ns, end_ns = cell.range_ns
        cuts_ns = cuts()
        moments = assemble(
            start_ns,
            end_ns,
            cuts_ns,
            [sample.time_ns for sample in cell.samples],
            is_last_cell=_is_last(cell),
        )
        rows = [self._row(cell, moment, view) for moment in moments]
        table = pa.Table.from_pylist(rows, schema=moments_schema(self.space))
        return Annotations(self._header(cell, cuts_ns, epoch_ms), table)

    def _cuts(self, cell: Frames) -> list[int]:
        if cell.dense is None or cell.dense_times_ns is None or isinstance(self.shots, Absent):
            return []
        start_ns, end_ns = cell.range_ns
        # The ticks of a short cell past its end repeat the last frame, so the network skips them.
        ticks = min(TICKS_PER_SEGMENT, -(-(end_ns - start_ns) // TICK_NS))
        analysed = -(-ticks // STEP_TICKS) * STEP_TICKS
        probabilities = self.shots.cut_probabilities(cell.dense[: analysed + 2 * CONTEXT_TICKS])
        # A transition across an edge has its peak on one side, so both cells look across before they place the cut.
        cuts = [row - CONTEXT_TICKS for row in cuts_from_probabilities(probabilities)]
        own = cell.dense_times_ns[CONTEXT_TICKS : CONTEXT_TICKS + ticks + (not _is_last(cell))]
        cuts_ns = cut_times([cut for cut in cuts if cut <= ticks], own, start_ns, end_ns)
        return [time for time in cuts_ns if 0 < time < end_ns or (time == end_ns and not _is_last(cell))]

    def _row(self, cell: Frames, moment: MomentRange, view: _Views) -> dict[str, Any]:
        chosen = list(moment.samples)
        tags = self._tags(view.probabilities[chosen].mean(0))
        tagged = not isinstance(self.tagger, Absent)
        # The mean of unit vectors is shorter than one, and cosine search expects length 1.
        vector = unit_rows(view.vectors[chosen].mean(0)) if self.space.dimensions else None
        # The thumbnail is the sample nearest to the moment's mean: it shows what search finds.
        rows, mean = (
            (view.probabilities, view.probabilities[chosen].mean(0)) if vector is None else (view.vectors, vector)
        )
        best = chosen[int(np.argmax(rows[chosen] @ mean))]
        row = {
            "moment_id": moment_id(cell.segment_id, moment.start_ns),
            "start_ns": moment.start_ns,
            "end_ns": moment.end_ns,
            "starts_at_cut": moment.starts_at_cut,
            "ends_at_cut": moment.ends_at_cut,
            "kind": "visual",
            "sample_count": len(chosen),
            "tags": [{"label": label, "score": score} for label, score in tags],
            # The maximum and not the mean: one bad sample must not disappear among good ones.
            "moderation_nsfw": None if isinstance(self.moderator, Absent) else float(view.nsfw[chosen].max()),
            "caption": template_caption(tags) if tagged else "",
            "caption_method": TEMPLATE_METHOD if tagged else NONE,
            "text": " ".join(label for label, _ in tags),
            "thumbnail": jpeg(view.images[best]),
            "thumbnail_time_ns": cell.samples[best].time_ns,
        }
        if vector is not None:
            row["vector"] = vector
        if self._has_image_vectors:
            row["image_vector"] = unit_rows(view.image_vectors[chosen].mean(0))
        return row

    def _tags(self, probabilities: Floats) -> list[tuple[str, float]]:
        """Labels at or above `TAG_GATE`, most probable first; none when the model is unsure."""
        # Stable, so that equal probabilities always give the same order of tags.
        order = np.argsort(-probabilities, kind="stable")[:MAX_TAGS]
        return [
            (self.tagger.labels[index], float(probabilities[index]))
            for index in order
            if probabilities[index] >= TAG_GATE
        ]

    def _header(self, cell: Frames, cuts_ns: Sequence[int], epoch_ms: int) -> AnnotationsHeader:
        span = cell.span
        start_ns, end_ns = cell.range_ns
        return AnnotationsHeader(
            asset=span.asset,
            uri=span.uri,
            content_digest=span.content_digest,
            content_key=span.content_key,
            segment=cell.segment,
            segment_count=span.segment_count,
            start_ns=start_ns,
            end_ns=end_ns,
            epoch_ms=epoch_ms,
            space=self.space,
            models=self.stamps,
            stage_digests={"decode": span.settings.digest(), "understand": self.digest},
            profile=span.settings.profile,
            shot_method=NONE if cell.dense is None else self.shots.stamp().name,
            cuts_ns=tuple(cuts_ns),
            labels=span.labels,
            media=span.media,
            damaged=cell.damaged,
        )


def _is_last(cell: Frames) -> bool:
    return cell.segment == cell.span.segment_count - 1
