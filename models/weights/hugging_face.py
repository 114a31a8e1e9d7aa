"""Hugging Face directories on disk: where they are, their digest, and loading from them."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from stream.errors import Fatal
from stream.files import expanded

WEIGHT_SUFFIX = ".safetensors"


def checkpoint_dir(argument: str) -> Path:
    """The directory of `hf:DIR`. Raises `Fatal` (`bad_checkpoint`) when it has no config or no safetensors file."""
    # The real path, so that a link to another checkpoint cannot change a space unnoticed.
    directory = Path(os.path.realpath(expanded(argument)))
    if not (directory / "config.json").is_file():
        raise Fatal(f"{argument or 'hf:'} is not a Hugging Face directory: no config.json", code="bad_checkpoint")
    # Pickled weights can run code when they are loaded.
    if not any(directory.glob(f"*{WEIGHT_SUFFIX}")):
        raise Fatal(f"{argument} has no {WEIGHT_SUFFIX} file; other formats may run code", code="bad_checkpoint")
    return directory


def checkpoint_config(directory: Path) -> dict[str, Any]:
    """The content of config.json. Raises `Fatal` (`bad_checkpoint`) where it is not a JSON object."""
    try:
        config = json.loads((directory / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Fatal(f"{directory}: its config.json cannot be read: {error}", code="bad_checkpoint") from error
    if not isinstance(config, dict):
        raise Fatal(f"{directory}: its config.json is not a JSON object", code="bad_checkpoint")
    return config


@cache
def checkpoint_digest(directory: Path) -> str:
    """sha256 over names and bytes of weights, configuration and tokenizer files, in name order."""
    hasher = hashlib.sha256()
    # Not `.md`: a model card may change without another result.
    for path in sorted(item for item in directory.iterdir() if item.is_file() and item.suffix != ".md"):
        hasher.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            hasher.update(hashlib.file_digest(file, "sha256").digest())
    return hasher.hexdigest()


def from_checkpoint(loader: Any, directory: Path, **options: Any) -> Any:
    """`loader.from_pretrained(directory)` from local files, without remote code.

    Raises `Fatal` (`bad_checkpoint`) with one line where transformers cannot load the directory.
    """
    from safetensors import SafetensorError

    try:
        # No remote code: a checkpoint's own Python would run with the worker's rights.
        return loader.from_pretrained(directory, local_files_only=True, trust_remote_code=False, **options)
    except (ImportError, OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise Fatal(f"{directory} does not load as {loader.__name__}: {reason}", code="bad_checkpoint") from error


def network_from(loader: Any, directory: Path, device: str) -> Any:
    """The checkpoint's network for inference, from safetensors, always in float32: half precision is slower on a CPU
    and would make a result depend on the machine.
    """
    network = from_checkpoint(loader, directory, use_safetensors=True, dtype="float32")
    return network.eval().to(device)


def quiet_loading() -> None:
    """Switches off transformers' progress bars: ours may be using the terminal."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no type for it
