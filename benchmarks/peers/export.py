"""The tagger as ONNX with its labels beside it. Runs with the package `onnx` on the path, which rushes does not need.

python -m benchmarks.peers.export FILE
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import timm
import torch

from benchmarks.footage import MODEL_THREADS, cache
from models.registry import ModelContext
from models.tags.imagenet import EfficientNetTagger


class _Both(torch.nn.Module):
    """Pixels to probabilities and the features they came from."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.network.forward_head(self.network.forward_features(pixels), pre_logits=True)
        return torch.softmax(self.network.get_classifier()(features), -1), features


def main(path: Path) -> None:
    network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    stored = torch.load(cache().file("efficientnet-lite0"), weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), stored.values(), strict=True)))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the newer exporter needs one package more
        torch.onnx.export(
            _Both(network),
            (torch.zeros(1, 3, 224, 224),),
            str(part),
            input_names=["pixels"],
            output_names=["probabilities", "features"],
            dynamo=False,
        )
    labels = EfficientNetTagger(ModelContext(cache(), MODEL_THREADS)).labels
    (path.parent / "labels.json").write_text(json.dumps(list(labels)))
    part.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
