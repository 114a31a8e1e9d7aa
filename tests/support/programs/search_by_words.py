"""Turns words into a vector, as a search does, and prints which heavy libraries that loaded. Argument: the cache."""

import sys
from pathlib import Path

from models.registry import ModelContext, load

HEAVY = {"torch", "torchvision", "transformers", "timm"}

if __name__ == "__main__":
    embedder = load("embedder", "conse", ModelContext.of(Path(sys.argv[1])))
    embedder.open()
    assert embedder.embed_text(["a dog"]).shape == (1, 384)
    print(sorted(HEAVY & set(sys.modules)))
