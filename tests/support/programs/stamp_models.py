"""Asks every model of the registries who it is, and prints which heavy libraries that loaded."""

import sys
from pathlib import Path

from models import REGISTRY
from models.registry import ModelContext, load

HEAVY = {"torch", "timm", "transformers", "onnxruntime", "torchvision"}

if __name__ == "__main__":
    for family, entries in REGISTRY.items():
        for name in entries:
            if name != "hf":
                load(family, name, ModelContext.of(Path())).stamp()
    print(sorted(HEAVY & set(sys.modules)))
