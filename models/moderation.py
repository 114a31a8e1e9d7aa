"""Moderation with Yahoo's open NSFW model: a score, on which policy decides."""

import io
from collections.abc import Sequence

import numpy as np

from models.onnx_graph import Session, cpu_session
from models.protocol import Floats, Image
from models.registry import ModelContext
from models.weights import digest_of
from stream.events.annotations import ModelStamp

MEAN_BGR = np.array([104.0, 117.0, 123.0], np.float32)


class OpenNsfw:
    """github.com/yahoo/open_nsfw as ONNX: input [n, 224, 224, 3] BGR minus mean, output [sfw, nsfw]. One at a time.

    The network was trained on JPEG files, so images make the same round trip (256x256, then the central 224).
    """

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._session: Session = None

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="moderation", name="open-nsfw", version="1", digest=digest_of("open-nsfw"))

    def open(self) -> None:
        self._session = cpu_session(self._context.cache.file("open-nsfw"), self._context.threads)

    def close(self) -> None:
        self._session = None

    def nsfw(self, images: Sequence[Image]) -> Floats:
        name = self._session.get_inputs()[0].name
        scores = [self._session.run(None, {name: _input(image)})[0][0, 1] for image in images]
        return np.asarray(scores, np.float32)


def _input(image: Image) -> Floats:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).resize((256, 256), Pillow.Resampling.BILINEAR).save(buffer, format="JPEG")
    pixels = np.asarray(Pillow.open(buffer).convert("RGB"), np.float32)[16:240, 16:240, ::-1]
    return np.ascontiguousarray(pixels - MEAN_BGR)[None]
