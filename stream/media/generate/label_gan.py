"""A label-conditioned DCGAN of painted eyes, 128 x 128 (weights of the package omniart-eye-generator, MIT).

Radford et al. 2016 (DCGAN), Mirza and Osindero 2014 (labels).
"""

import itertools
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from stream.media.generate.networks import Rgb
from stream.media.generate.settings import COLOURS
from stream.media.generate.threads import one_thread
from stream.media.generate.walk import Noise

_NOISE, _MAPS = 100, 64


class _Generator(nn.Module):
    """The layers in the order that the state dict names them."""

    def __init__(self) -> None:
        super().__init__()
        widths = [_NOISE + len(COLOURS), *(_MAPS * step for step in (16, 8, 4, 2, 1)), 3]
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(itertools.pairwise(widths)):
            layers.append(nn.ConvTranspose2d(before, after, 4, 2 if index else 1, 1 if index else 0, bias=False))
            if index < len(widths) - 2:
                layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
            if index == 0:
                layers.append(nn.Dropout(0.2))
        self.main = nn.Sequential(*layers, nn.Tanh())

    def forward(self, noise: torch.Tensor, label: torch.Tensor) -> Any:
        return self.main(torch.cat([noise, label], 1)[:, :, None, None])


class LabelGan:
    """Implements `Network`."""

    shape: tuple[int, ...] = (_NOISE,)

    def __init__(self, weights: Path, meaning: str) -> None:
        self._network = _loaded(weights)
        self._label = torch.zeros(1, len(COLOURS))
        self._label[0, COLOURS.index(meaning)] = 1

    def picture(self, noise: Noise) -> Rgb:
        with torch.inference_mode(), one_thread():
            made = self._network(torch.from_numpy(noise)[None], self._label)[0]
        values = ((made.numpy() + 1) * 127.5).clip(0, 255)
        return np.ascontiguousarray(np.rint(values).astype(np.uint8).transpose(1, 2, 0))


@lru_cache(maxsize=1)
def _loaded(weights: Path) -> _Generator:
    network = _Generator()
    # Tensors alone: an unpickler would run what the file says.
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()
