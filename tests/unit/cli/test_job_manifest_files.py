"""Manifests as people keep them: what `jobs manifest` prints is read as it was signed, however long it is."""

from pathlib import Path

import pytest

from stream.cli.commands.jobs.looking import manifest_in
from stream.cli.context import UsageProblem


def test_a_manifest_is_read_as_it_was_signed(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    for envelope in (b"{}", b"x" * (2 << 20)):
        path.write_bytes(envelope)
        assert manifest_in(path) == envelope
        path.write_bytes(envelope + b"\n")
        assert manifest_in(path) == envelope
    with pytest.raises(UsageProblem, match="cannot be read"):
        manifest_in(tmp_path)
