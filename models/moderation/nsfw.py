"""Moderation with Yahoo's open NSFW model: it gives a score, and a policy decides."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from models.device.batches import PictureBatches
from models.device.device import limit_threads, ready_device
from models.device.onnx_graph import Session, cpu_session
from models.protocol import Floats, Image
from models.registry import ModelContext
from models.weights.fetch import digest_of
from stream.events.annotations import ModelStamp

# Caffe's mean of ImageNet, with which the network was trained.
MEAN_BGR = (104.0, 117.0, 123.0)
SIDE = 224
CUDA_BATCH = 64


class OpenNsfw:
    """github.com/yahoo/open_nsfw: takes BGR minus the mean, gives [sfw, nsfw]. On a CPU onnxruntime runs pictures side
    by side, each on one thread (ADR 0010). On CUDA torch runs padded batches, with convolutions in float16.

    The network was trained on JPEG files, so images go through JPEG too (256x256, then the central 224).
    """

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._session: Session = None
        self._threads: ThreadPoolExecutor | None = None
        self.batches: PictureBatches | None = None

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="moderation", name="open-nsfw", version="1", digest=digest_of("open-nsfw"))

    def open(self) -> None:
        path = self._context.cache.file("open-nsfw")
        if (device := ready_device(self._context)) == "cpu":
            self._session = cpu_session(path, threads=1)
            self._threads = ThreadPoolExecutor(self._context.threads, "moderation")
            return
        limit_threads(self._context)
        # Imported here: the module needs torch, and the CPU path runs without it.
        from models.moderation.open_nsfw import network_of

        self.batches = batches_of(network_of(path), device, CUDA_BATCH, self._context.threads)

    def close(self) -> None:
        if self.batches is not None:
            self.batches.close()
        if self._threads is not None:
            self._threads.shutdown()
        self._session = self.batches = self._threads = None

    def nsfw(self, images: Sequence[Image]) -> Floats:
        if self.batches is not None:
            return self.batches.run(images)[0]
        assert self._threads is not None, "call open first"
        return np.fromiter(self._threads.map(self._score, images), np.float32, len(images))

    def _score(self, image: Image) -> float:
        name = self._session.get_inputs()[0].name
        return float(self._session.run(None, {name: input_of(image)})[0][0, 1])


def batches_of(network: Any, device: str, batch: int, threads: int) -> PictureBatches:
    """The network on an accelerator: convolutions in float16, the classifier and softmax in float32."""
    import torch

    moved = network.to(device, memory_format=torch.channels_last)
    mean = torch.tensor(MEAN_BGR, device=device)

    def forward(pictures: Any) -> tuple[Any]:
        inputs = (pictures.flip(-1).float() - mean).permute(0, 3, 1, 2)
        # No cache of casted weights: a captured graph would keep pointing at freed ones.
        with torch.autocast(device.partition(":")[0], torch.float16, cache_enabled=False):
            return (moved(inputs),)

    return PictureBatches(forward, prepare=round_trip, device=device, batch=batch, side=SIDE, threads=threads)


def round_trip(image: Image) -> Image:
    """The picture after JPEG encoding and decoding, RGB uint8 [224, 224, 3]."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).resize((256, 256), Pillow.Resampling.BILINEAR).save(buffer, format="JPEG")
    return np.asarray(Pillow.open(buffer).convert("RGB"))[16:240, 16:240]


def input_of(image: Image) -> Floats:
    """The network's input, float32 [1, 224, 224, 3]: BGR minus the mean."""
    return round_trip(image)[None, :, :, ::-1].astype(np.float32) - np.array(MEAN_BGR, np.float32)
