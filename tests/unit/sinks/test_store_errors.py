"""What a store says of passing troubles becomes a pause, what lasts ends the process; neither is the record's fault."""

import errno
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from sinks.delta.sink import DeltaSink
from sinks.delta.store import DeltaStore
from sinks.lance.sink import LanceSink
from sinks.store_errors import guarded, guarded_both
from sinks.tables.lance_tables import LanceTables
from stream.clock import ManualClock
from stream.errors import Fatal, Unavailable
from tests.support.annotations import annotations, events, planned, ref
from tests.support.programs import ROOT, program


def raised_by(library: str, error: Exception) -> NoReturn:
    """As code of that library does."""
    module: dict[str, Any] = {"__name__": f"{library}.table"}
    exec("def fail(error):\n    raise error\n", module)
    module["fail"](error)
    raise AssertionError


@pytest.mark.parametrize(
    "said",
    [
        "Kernel error: File not found: /state/parquet/segments/_delta_log/00000000000000000011.json",
        "Object at location /state/segments/_delta_log/30.checkpoint.parquet not found: No such file or directory",
        "Commit conflict for version 7",
    ],
)
def test_a_reader_beside_a_writer_waits_for_it(tmp_path: Path, said: str) -> None:
    with pytest.raises(Unavailable) as paused, guarded(tmp_path, "the Delta table"):
        raised_by("deltalake", ValueError(said))
    assert paused.value.code == "store_unavailable"


def test_a_defect_passes_through(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such column"), guarded(tmp_path, "the Delta table"):
        raised_by("deltalake", ValueError("no such column"))


@pytest.mark.parametrize("writer", [False, True])
@pytest.mark.parametrize(
    "said",
    [
        *("a concurrent change of the fold", "the look-up timed out", "segment not found", "commit conflict"),
        *("json error in a label", "a corrupt order of revisions", "schema mismatch", "no room (os error 28)"),
    ],
)
def test_a_defect_of_ours_is_one_whatever_its_words(tmp_path: Path, said: str, writer: bool) -> None:
    """It must neither pause a stage for ever nor end its process as if the store were damaged."""
    with pytest.raises(RuntimeError, match=re.escape(said)), guarded(tmp_path, "the index", writer=writer):
        raise RuntimeError(said)


@pytest.mark.parametrize("number", [errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_path_that_can_never_work_is_not_waited_for(tmp_path: Path, number: int, wrapped: bool) -> None:
    error = OSError(number, os.strerror(number))
    if wrapped:  # as Rust says it
        error = OSError(f"Generic LocalFileSystem error: {os.strerror(number)} (os error {number})")
    with pytest.raises(Fatal) as ended, guarded(tmp_path, "the index"):
        raise error
    assert ended.value.code == "store_unusable"
    assert str(tmp_path) in ended.value.message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EIO, errno.EMFILE, errno.EROFS])
def test_what_somebody_can_mend_is_waited_for(tmp_path: Path, number: int) -> None:
    with pytest.raises(Unavailable), guarded(tmp_path, "the index"):
        raised_by("lancedb", RuntimeError(f"lance error: LanceError(IO): {os.strerror(number)} (os error {number})"))


def test_a_panic_of_a_library_has_words(tmp_path: Path) -> None:
    class PanicException(BaseException):
        pass

    with pytest.raises(Fatal, match="broke down") as ended, guarded(tmp_path, "the Delta table"):
        raise PanicException("index out of bounds")
    assert ended.value.code == "store_unusable"


def test_an_error_is_told_of_the_store_it_is_about(tmp_path: Path) -> None:
    lance, delta = tmp_path / "lancedb", tmp_path / "parquet"
    with pytest.raises(Fatal, match=f"the index at {lance}"), guarded_both(lance, delta):
        raised_by("lancedb", RuntimeError("lance error: LanceError(IO): file size is too small"))
    with pytest.raises(Fatal, match=f"the Delta table at {delta}"), guarded_both(lance, delta):
        raised_by("deltalake", ValueError(f"Json error: {str(delta).lstrip('/')}/_delta_log/0.json"))


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut_in_half, emptied, Path.unlink])
@pytest.mark.parametrize(
    ("kind", "files"),
    [
        (DeltaSink, "moments/_delta_log/*0.json"),
        (DeltaSink, "segments.lance/data/*"),
        (LanceSink, "segments.lance/data/*"),
    ],
)
def test_damage_is_said_and_nothing_waits(
    kind: type[DeltaSink | LanceSink], files: str, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    def run(turn: int) -> None:
        sink = kind(tmp_path / "store", ManualClock())
        try:
            sink.open()
            asset = ref(f"clip-{turn}")
            list(sink.process(events(planned(asset, of=1), annotations(asset, 0, of=1, count=2))))
        finally:
            sink.close()

    run(0)
    harmed = sorted((tmp_path / "store").glob(files))
    assert harmed
    for path in harmed:
        harm(path)
    with pytest.raises(Fatal, match="rushes verify --repair") as ended:
        run(1)
    assert ended.value.code == "store_unusable"


TRIED = ('-a b, 50% #1 what? a*b {x} a:b <it\'s> "q"', "~ünï 😀 a&b=c+d; e`f` $HOME @k=v %zz")
REFUSED = ("a[b", "a]b", "a\\b", "a%41b", "a%2Fb", "a^b", "a|b", "a\nb", "a\tb", "a\x7fb", os.fsdecode(b"a\xffb"))


def test_stores_work_in_folders_of_any_other_name(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in TRIED]
    command = program("write_stores", *roots)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout.split(), done.returncode) == (["ok"] * len(TRIED), 0), done.stderr[-2000:]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(TRIED)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("store", [DeltaStore, LanceTables])
def test_a_folder_whose_name_the_libraries_misread_is_refused(
    name: str, store: type[DeltaStore | LanceTables], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / name)
    for directory in (tmp_path / name / "store", link):
        with pytest.raises(Fatal, match="choose another directory") as refused:
            store(directory)
        assert refused.value.code == "unusable_path"
        refused.value.message.encode()
    assert list(tmp_path.iterdir()) == [link]
