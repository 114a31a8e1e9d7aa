"""Samples to RGB on an accelerator: the arithmetic of `models.pictures.colour` in torch, for a whole cell."""

from typing import Any

import numpy as np

from models.pictures.colour import LUMA_WEIGHTS, images_of
from models.protocol import Image
from stream.events.frames import Colour, Frames


class DeviceColour:
    """Like `images_of`, on a device; values differ by at most one level. All cells reuse one page-locked buffer.

    `models.pictures.colour` handles PQ and HLG, so that tone mapping has one definition. It also handles cells with
    several colours.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._staged: Any = None

    def __call__(self, frames: Frames) -> list[Image]:
        one_colour = all(sample.colour is None for sample in frames.samples)
        if frames.colour.transfer != "sdr" or not frames.samples or not one_colour:
            return images_of(frames)
        planes = self._sent([np.frombuffer(sample.yuv, np.uint8) for sample in frames.samples])
        # `cpu()` waits for the device, so the buffer is free again.
        return list(rgb_of(planes, frames.width, frames.height, frames.colour).cpu().numpy())

    def _sent(self, rows: list[Image]) -> Any:
        import torch

        bytes_wanted = sum(map(len, rows))
        # The buffer only grows: to allocate page-locked memory is slow.
        if self._staged is None or len(self._staged) < bytes_wanted:
            on_cuda = self._device.startswith("cuda")
            self._staged = torch.empty(bytes_wanted, dtype=torch.uint8, pin_memory=on_cuda)
        np.concatenate(rows, out=self._staged[:bytes_wanted].numpy())
        return self._staged[:bytes_wanted].view(len(rows), -1).to(self._device, non_blocking=True)


def rgb_of(planes: Any, width: int, height: int, colour: Colour) -> Any:
    """uint8 tensor [n, width * height * 3 / 2], planar 4:2:0 of SDR material -> uint8 [n, height, width, 3]."""
    import torch

    count, area = len(planes), width * height
    y = planes[:, :area].view(count, height, width).float()
    chroma = _upsampled(planes[:, area:].reshape(count, 2, height // 2, width // 2).float())
    if colour.full_range:
        y, scale = y / 255.0, 1.0 / 255.0
    else:
        y, scale = (y - 16.0) / 219.0, 1.0 / 224.0
    blue, red = ((chroma - 128.0) * scale).unbind(1)
    kr, kb = LUMA_WEIGHTS[colour.matrix]
    kg = 1.0 - kr - kb
    green = y - (2 * (1 - kr) * kr / kg) * red - (2 * (1 - kb) * kb / kg) * blue
    signal = torch.stack([y + 2 * (1 - kr) * red, green, y + 2 * (1 - kb) * blue], dim=-1)
    return (signal * 255.0 + 0.5).clamp(0.0, 255.0).to(torch.uint8)


def _upsampled(chroma: Any) -> Any:
    """[n, 2, h / 2, w / 2] -> [n, 2, h, w], bilinear with MPEG-2 siting."""
    import torch

    above = torch.cat([chroma[..., :1, :], chroma[..., :-1, :]], dim=-2)
    below = torch.cat([chroma[..., 1:, :], chroma[..., -1:, :]], dim=-2)
    near = 0.75 * chroma
    tall = torch.stack([near + 0.25 * above, near + 0.25 * below], dim=-2).flatten(-3, -2)
    right = torch.cat([tall[..., 1:], tall[..., -1:]], dim=-1)
    return torch.stack([tall, 0.5 * (tall + right)], dim=-1).flatten(-2)
