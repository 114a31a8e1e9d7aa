"""The network of TransNet V2 (Souček & Lokoč 2020, arXiv:2008.04838). Attribute names follow the checkpoint.

Features are [batch, time, height, width, channels]. So a (1,3,3) convolution is 2-D over frames, and a (3,1,1)
convolution is 2-D over time and place, both without a copy: the same sums as the paper's 3-D convolutions with a
quarter less CPU time (ADR 0010).
"""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

FILTERS = 16
LAYERS = 3
BLOCKS = 2
DILATIONS = (1, 2, 4, 8)
LOOKUP = 101
SIMILARITY_DIM = 128
HIDDEN = 1024


def as_frames(x: Tensor) -> Tensor:
    """[b, t, h, w, c] -> [b * t, c, h, w], a view."""
    return x.flatten(0, 1).permute(0, 3, 1, 2)


def as_times(x: Tensor) -> Tensor:
    """[b, t, h, w, c] -> [b, c, t, h * w], a view."""
    return x.flatten(2, 3).permute(0, 3, 1, 2)


class SeparableConv(nn.Module):
    """A 3x3 convolution in space, then a dilated convolution of 3 in time."""

    def __init__(self, channels: int, filters: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(channels, 2 * filters, 3, padding=1, bias=False),
                nn.Conv2d(2 * filters, filters, (3, 1), dilation=(dilation, 1), padding=(dilation, 0), bias=False),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape[:4]
        spatial = self.layers[0](as_frames(x)).permute(0, 2, 3, 1).reshape(*shape, -1)
        out: Tensor = self.layers[1](as_times(spatial))
        return out.permute(0, 2, 3, 1).reshape(*shape, -1)


class DilatedBlock(nn.Module):
    """Four dilations in parallel, batch norm, and ReLU except in the last block of a stack."""

    def __init__(self, channels: int, filters: int, *, activated: bool) -> None:
        super().__init__()
        for dilation in DILATIONS:
            self.add_module(f"Conv3D_{dilation}", SeparableConv(channels, filters, dilation))
        self.bn = nn.BatchNorm2d(filters * 4, eps=1e-3)
        self.activated = activated

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.get_submodule(f"Conv3D_{dilation}")(x) for dilation in DILATIONS], dim=-1)
        # channels-last order lets `view` work here without a copy.
        out: Tensor = self.bn(as_frames(joined)).permute(0, 2, 3, 1).view(joined.shape)
        return functional.relu_(out) if self.activated else out


class Stack(nn.Module):
    """Blocks with a shortcut from the first one, then 2x2 average pooling in space."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.DDCNN = nn.ModuleList(
            DilatedBlock(channels if block == 0 else filters * 4, filters, activated=block != BLOCKS - 1)
            for block in range(BLOCKS)
        )

    def forward(self, x: Tensor) -> Tensor:
        first = x = self.DDCNN[0](x)
        for block in list(self.DDCNN)[1:]:
            x = block(x)
        # In place: nothing else reads these sums.
        pooled = functional.avg_pool2d(as_frames(functional.relu_(x).add_(first)), 2)
        return pooled.permute(0, 2, 3, 1).reshape(*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2, x.shape[4])


def windowed(similarities: Tensor) -> Tensor:
    """[b, t, t] similarities -> [b, t, 101]: each frame with the 50 before and after it; zero outside."""
    batch, time, _ = similarities.shape
    padded = functional.pad(similarities, [(LOOKUP - 1) // 2, (LOOKUP - 1) // 2])
    rows = torch.arange(time, device=similarities.device)[:, None]
    columns = rows + torch.arange(LOOKUP, device=similarities.device)[None, :]
    return padded[:, rows, columns].reshape(batch, time, LOOKUP)


class FrameSimilarity(nn.Module):
    """Cosine similarities of learned frame features inside the window."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, SIMILARITY_DIM)
        self.fc = nn.Linear(LOOKUP, SIMILARITY_DIM)

    def forward(self, features: list[Tensor]) -> Tensor:
        pooled = torch.cat([torch.mean(item, dim=[2, 3]) for item in features], dim=2)
        unit = functional.normalize(self.projection(pooled), p=2, dim=2)
        return functional.relu(self.fc(windowed(unit @ unit.transpose(1, 2))))


class ColorHistograms(nn.Module):
    """Cosine similarities of 8x8x8 RGB histograms inside the window."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(LOOKUP, SIMILARITY_DIM)

    def forward(self, frames: Tensor) -> Tensor:
        unit = functional.normalize(histograms(frames), p=2, dim=2)
        return functional.relu(self.fc(windowed(unit @ unit.transpose(1, 2))))


def histograms(frames: Tensor) -> Tensor:
    """uint8 [b, t, h, w, 3] -> float32 [b, t, 512] counts."""
    batch, time, height, width, _ = frames.shape
    # The upper three bits of each channel: 8 x 8 x 8 bins.
    levels = frames.int() >> 5
    bins = ((levels[..., 0] << 6) + (levels[..., 1] << 3) + levels[..., 2]).reshape(batch, time, height * width)
    counts = torch.zeros(batch, time, 512, dtype=torch.float32, device=frames.device)
    return counts.scatter_add_(2, bins.long(), torch.ones_like(bins, dtype=torch.float32))


class TransNetV2(nn.Module):
    """uint8 [b, t, 27, 48, 3] RGB -> float32 [b, t] logits that a frame is the last of its shot."""

    def __init__(self) -> None:
        super().__init__()
        widths = [FILTERS * 2**layer for layer in range(LAYERS)]
        channels = [3, *(width * 4 for width in widths)]
        self.SDDCNN = nn.ModuleList(Stack(channels[layer], widths[layer]) for layer in range(LAYERS))
        self.frame_sim_layer = FrameSimilarity(sum(channels[1:]))
        self.color_hist_layer = ColorHistograms()
        self.fc1 = nn.Linear(channels[-1] * 3 * 6 + 2 * SIMILARITY_DIM, HIDDEN)
        self.cls_layer1 = nn.Linear(HIDDEN, 1)
        # The many-hot head is in the checkpoint, so it must exist to load it. Only the one-hot head decides.
        self.cls_layer2 = nn.Linear(HIDDEN, 1)

    def load_checkpoint(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Loads the published weights. 3-D convolutions lose the axis in which they have width 1."""
        given = {name: torch.from_numpy(values) for name, values in tensors.items()}
        self.load_state_dict(
            {name: tensor.squeeze(4).squeeze(2) if tensor.ndim == 5 else tensor for name, tensor in given.items()}
        )
        # The 2-D kernels are fastest in this order on a CPU and on a device.
        self.to(memory_format=torch.channels_last)

    def forward(self, frames: Tensor) -> Tensor:
        x = frames.float() / 255.0
        features = []
        for stack in self.SDDCNN:
            x = stack(x)
            features.append(x)
        joined = torch.cat([self.color_hist_layer(frames), self.frame_sim_layer(features), x.flatten(2)], dim=2)
        out: Tensor = self.cls_layer1(functional.relu(self.fc1(joined)))
        return out[..., 0]
