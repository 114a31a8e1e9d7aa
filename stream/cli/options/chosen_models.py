"""Remembers the models of the last ingest beside the stores: a replay must use the same models."""

import json
from dataclasses import asdict, fields
from pathlib import Path

from stream.errors import Fatal
from stream.files import read_small, replace_file
from stream.pipelines.settings import ModelChoice

CHOICE_FILE = "models.json"


def remember_models(state_dir: Path, models: ModelChoice) -> None:
    """Saves the choice. The caller must hold the state lock. Raises `Fatal` (`state_unwritable`)."""
    try:
        replace_file(state_dir / CHOICE_FILE, json.dumps(asdict(models), indent=2) + "\n")
    except OSError as error:
        raise Fatal(f"{state_dir} cannot be written ({error.strerror}): make room", code="state_unwritable") from None


def remembered_models(state_dir: Path) -> ModelChoice:
    """The choice of the last ingest, or the default. Unknown fields of newer or older releases are ignored."""
    try:
        kept = json.loads(read_small(state_dir / CHOICE_FILE))
    # A damaged file must not stop a replay: the default is what most ingests use.
    except (OSError, ValueError, RecursionError):
        return ModelChoice()
    names = {field.name for field in fields(ModelChoice)}
    known = kept.items() if isinstance(kept, dict) else ()
    # Only known names with text: the file may be of any release.
    return ModelChoice(**{name: value for name, value in known if name in names and isinstance(value, str)})
