"""Checkpoints of torch, read without it: the same tensors, and nothing that a pickle could run."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.weights.checkpoint import read_checkpoint
from stream.errors import Fatal

BASE = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
TENSORS = OrderedDict(
    plain=BASE,
    turned=BASE.permute(2, 0, 1),
    middle=BASE[1:, 1],
    count=torch.tensor(7),
    none=torch.zeros(0, 3),
    half=BASE.half(),
)


@pytest.mark.parametrize("archive", [True, False])
def test_the_tensors_are_those_of_torch(tmp_path: Path, *, archive: bool) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=archive)
    found = read_checkpoint(path)
    assert list(found) == list(TENSORS)
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found[name], tensor.numpy(), strict=True)
        torch.from_numpy(found[name])


class Command:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize("content", [{"a": Command()}, BASE, [BASE], {"a": "text"}])
def test_anything_else_is_refused(tmp_path: Path, content: object, *, archive: bool) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path, _use_new_zipfile_serialization=archive)
    with pytest.raises(Fatal, match="no checkpoint of plain tensors") as refused:
        read_checkpoint(path)
    assert refused.value.code == "wrong_checkpoint"


def test_a_tensor_may_not_read_beyond_its_storage(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"a": BASE}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for broken in (whole[:-4], whole[: len(whole) // 2], b"", b"PK\x03\x04", b"\x80\x04K\x01."):
        path.write_bytes(broken)
        with pytest.raises(Fatal, match="no checkpoint of plain tensors"):
            read_checkpoint(path)
