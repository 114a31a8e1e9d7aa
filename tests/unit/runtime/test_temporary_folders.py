"""Temporary files of a killed process go with the next one; those of a living one stay."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.errors import Fatal
from stream.runtime.temporary_folders import PREFIX, own_scratch
from tests.support.programs import ROOT, program


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path


def started() -> tuple[subprocess.Popen[bytes], Path]:
    process = subprocess.Popen(program("use_scratch"), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().decode().strip())


def test_what_a_killed_process_left_goes_when_the_next_one_starts(temporary: Path) -> None:
    process, folder = started()
    with process:
        process.send_signal(signal.SIGKILL)
    assert (folder / ".tmpIndex").is_dir()
    with own_scratch() as ours:
        assert list(temporary.iterdir()) == [ours]
    assert not list(temporary.iterdir())


def test_what_a_living_process_uses_stays(temporary: Path) -> None:
    process, folder = started()
    with process:
        with own_scratch() as ours:
            assert set(temporary.iterdir()) == {ours, folder}
        assert (folder / ".tmpIndex").is_dir()
        process.communicate()
    assert process.returncode == 0
    assert not list(temporary.iterdir())


def test_temporary_files_are_made_in_it_while_inside_and_outside_after(temporary: Path) -> None:
    with own_scratch() as folder:
        assert folder.parent == temporary
        assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(folder)
        (folder / "left").touch()
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(temporary)
    assert not folder.exists()


def test_a_link_under_such_a_name_is_left(temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "kept").touch()
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    with own_scratch():
        pass
    assert (elsewhere / "kept").exists()


def test_where_no_folder_can_be_made_the_user_is_told_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(Fatal, match="No space left on device; set TMPDIR"), own_scratch():
        pass


def test_where_no_temporary_folder_can_be_written_the_user_is_told_which_variable_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(Fatal, match=r"No usable temporary directory found in \['/tmp'\]; set TMPDIR"), own_scratch():
        pass
