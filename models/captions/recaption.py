"""Captions for annotated cells from their thumbnails: the same rows with revision + 1."""

from models.pictures.thumbnails import from_jpeg
from models.protocol import Captioner
from stream.events.annotations import Annotations


class ThumbnailCaptions:
    """`recaption` replaces template captions with the captioner's. These become searchable text beside the tags."""

    def __init__(self, captioner: Captioner) -> None:
        self._captioner = captioner

    def open(self) -> None:
        self._captioner.open()

    def close(self) -> None:
        self._captioner.close()

    def recaption(self, annotations: Annotations) -> Annotations:
        rows = annotations.rows.to_pylist()
        # From the stored thumbnail: the frames are gone by then, and a second decode would cost far more.
        captions = self._captioner.caption([from_jpeg(row["thumbnail"]) for row in rows])
        for row, caption in zip(rows, captions, strict=True):
            labels = " ".join(tag["label"] for tag in row["tags"])
            row |= {"caption": caption, "caption_method": self._captioner.method, "text": f"{labels} {caption}".strip()}
        header = annotations.header
        stamp = self._captioner.stamp()
        captioned = header.model_copy(
            update={
                # The higher revision replaces the first one in the stores, also when it arrives twice.
                "revision": header.revision + 1,
                "models": (*header.models, stamp),
                "stage_digests": header.stage_digests | {"caption": stamp.digest},
            }
        )
        return Annotations(captioned, annotations.rows.from_pylist(rows, schema=annotations.rows.schema))
