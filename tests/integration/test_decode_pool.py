"""The sandbox: what a child does wrong costs that child alone."""

import errno
import gc
import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.footage import span_of
from benchmarks.testbed.waiting import wait_for
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.protocol import Inspection
from decoders.sandbox.pool import ChildLimits, DecodePool
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from stream.children import process
from stream.errors import BadMedia, Retryable, StageError, Superseded, Unavailable
from tests.support.programs import ROOT, program


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool") / "clip.mp4"
    write_clip(path, seconds=35, size=(64, 36), scenes=4)
    return path


@pytest.fixture(scope="module")
def found(clip: Path) -> Inspection:
    source = open_source(str(clip), SourcePolicy(roots=(str(clip.parent),)))
    inspection = PyAVDecoder().inspect(source)
    source.close()
    return inspection


def pool_of(clip: Path, decoder: str = "decoders.ffmpeg.decoder:PyAVDecoder", **limits: float) -> DecodePool:
    return DecodePool(
        children=1,
        policy=SourcePolicy(roots=(str(clip.parent),)),
        limits=ChildLimits(**limits),  # type: ignore[arg-type] # integers are floats here
        decoder=decoder,
    )


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_child_that_decoded_holds_no_models_and_no_stores(clip: Path, found: Inspection) -> None:
    with pool_of(clip) as pool:
        assert list(pool.decode(span_of(found, clip)))
        (pid,) = pool.pids
        mapped = {Path(item.path).name for item in psutil.Process(pid).memory_maps()}
    assert any(name.startswith("libavcodec") for name in mapped)
    heavy = ("libtorch", "libonnxruntime", "onnxruntime_pybind11", "openvino", "_lancedb", "_internal.abi3")
    assert not [name for name in mapped if name.startswith(heavy)]


def test_pool_yields_what_the_decoder_yields(clip: Path, found: Inspection) -> None:
    source = open_source(str(clip), SourcePolicy(roots=(str(clip.parent),)))
    expected = [frames.to_bytes() for frames in PyAVDecoder().decode(source, span_of(found, clip))]
    source.close()
    with pool_of(clip) as pool:
        assert pool.inspect(str(clip)) == found
        assert [frames.value for frames in pool.decode(span_of(found, clip))] == expected


@pytest.mark.parametrize(
    ("decoder", "limits", "kind", "code"),
    [
        ("Hanging", {"wall_s": 1.0}, Retryable, "decoder_hung"),
        ("Spinning", {"cpu_s": 1.0}, Retryable, "decoder_hung"),
        ("Dying", {}, Retryable, "decoder_died"),
        *(
            (rogue, {}, Retryable, "decoder_died")
            for rogue in ("Babbling", "Nameless", "Finishing", "Boundless", "Nesting")
        ),
        *((rogue, {"wall_s": 1.0}, Retryable, "decoder_hung") for rogue in ("Halting", "Dripping")),
        ("Greedy", {"memory_bytes": 1 << 30}, BadMedia, "decoder_out_of_memory"),
    ],
)
def test_a_rogue_costs_its_cells_and_the_next_request_works(
    clip: Path, found: Inspection, decoder: str, limits: dict[str, float], kind: type[StageError], code: str
) -> None:
    with pool_of(clip, f"tests.support.rogue_decoders:{decoder}", **limits) as pool:
        delivered: list[int] = []
        with pytest.raises(kind) as caught:
            delivered.extend(frames.segment for frames in pool.decode(span_of(found, clip)))
        assert caught.value.code == code
        assert delivered
        assert caught.value.segments == tuple(sorted({0, 1, 2, 3} - set(delivered)))
        assert "clip.mp4" in caught.value.message
        assert pool.inspect(str(clip)) == found
        left = pool.pids
    assert not any(psutil.pid_exists(pid) for pid in left)


@pytest.mark.parametrize("decoder", ["Babbling", "Nameless", "Flooding", "Halting", "Dripping"])
def test_a_rogue_that_was_left_early_is_replaced(clip: Path, found: Inspection, decoder: str) -> None:
    with pool_of(clip, f"tests.support.rogue_decoders:{decoder}", wall_s=2.0) as pool:
        before = pool.pids
        cells = iter(pool.decode(span_of(found, clip)))
        assert next(cells).segment == 0
        del cells
        gc.collect()
        assert pool.inspect(str(clip)) == found
        assert not before & pool.pids


def test_a_child_blames_only_cells_that_are_missing(clip: Path, found: Inspection) -> None:
    with pool_of(clip, "tests.support.rogue_decoders:Blaming") as pool, pytest.raises(BadMedia) as caught:
        list(pool.decode(span_of(found, clip)))
    assert (caught.value.code, caught.value.segments) == ("blamed", (2,))


def test_a_defect_is_no_media_error_and_tells_no_content(clip: Path, found: Inspection) -> None:
    with (
        pool_of(clip, "tests.support.rogue_decoders:Defective") as pool,
        pytest.raises(RuntimeError, match=r"KeyError in rogue_decoders\.py") as caught,
    ):
        list(pool.decode(span_of(found, clip)))
    assert "secret" not in str(caught.value)


def test_a_child_cannot_stop_the_stage_and_leaves_no_core(clip: Path, found: Inspection) -> None:
    with pool_of(clip, "tests.support.rogue_decoders:Ordering") as pool:
        with pytest.raises(RuntimeError, match="stop everything"):
            list(pool.decode(span_of(found, clip)))
        (pid,) = pool.pids
        assert psutil.Process(pid).rlimit(psutil.RLIMIT_CORE) == (0, 0)


def test_children_import_no_models(clip: Path, found: Inspection) -> None:
    with (
        pool_of(clip, "tests.support.rogue_decoders:Telling") as pool,
        pytest.raises(BadMedia, match=r"imported: \[\]"),
    ):
        list(pool.decode(span_of(found, clip)))


def test_an_iterator_closed_early_leaves_a_warm_child(clip: Path, found: Inspection) -> None:
    with pool_of(clip) as pool:
        before = pool.pids
        for _ in range(3):
            cells = iter(pool.decode(span_of(found, clip)))
            assert next(cells).segment == 0
            del cells
            gc.collect()
        assert [frames.segment for frames in pool.decode(span_of(found, clip))] == [0, 1, 2, 3]
        assert pool.pids == before


def test_threads_share_a_pool(clip: Path, found: Inspection) -> None:
    pool = DecodePool(children=2, policy=SourcePolicy(roots=(str(clip.parent),)))
    with pool, ThreadPoolExecutor(4) as threads:
        whole = [b"".join(frames.value for frames in pool.decode(span_of(found, clip)))]
        jobs = [threads.submit(lambda: b"".join(f.value for f in pool.decode(span_of(found, clip)))) for _ in range(6)]
        assert {job.result() for job in jobs} == set(whole)


def test_a_source_that_changed_is_superseded(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, seconds=12, size=(64, 36))
    with pool_of(path) as pool:
        before = pool.inspect(str(path))
        assert [frames.segment for frames in pool.decode(span_of(before, path))] == [0, 1]
        other = tmp_path / "other.mp4"
        write_clip(other, seconds=12, size=(64, 36), scenes=5)
        other.replace(path)
        with pytest.raises(Superseded):
            list(pool.decode(span_of(before, path)))
        after = pool.inspect(str(path))
        assert after.content_digest != before.content_digest
        assert [frames.segment for frames in pool.decode(span_of(after, path))] == [0, 1]


def test_a_change_before_the_last_cell_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, seconds=12, size=(64, 36))
    source = open_source(str(path), SourcePolicy(roots=(str(tmp_path),)))
    decoder = PyAVDecoder()
    found = decoder.inspect(source)
    cells = decoder.decode(source, span_of(found, path))
    assert next(cells).segment == 0
    os.utime(path, ns=(1, 1))
    with pytest.raises(Superseded):
        next(cells)
    source.close()


def test_bad_media_comes_back_as_it_was_raised(clip: Path, tmp_path: Path) -> None:
    with pool_of(clip) as pool:
        with pytest.raises(BadMedia) as caught:
            pool.inspect(str(clip.parent / "absent.mp4"))
        assert caught.value.code == "not_found"
        with pytest.raises(BadMedia) as caught:
            pool.inspect(str(tmp_path.parent.parent / "elsewhere.mp4"))
        assert caught.value.code == "not_found"


def test_a_decoder_that_cannot_be_loaded_is_unavailable(clip: Path) -> None:
    with pool_of(clip, "tests.support.rogue_decoders:Absent") as pool, pytest.raises(Unavailable) as caught:
        pool.inspect(str(clip))
    assert caught.value.code == "decoder_start"


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
def test_a_child_that_cannot_be_started_is_unavailable_until_it_can(
    clip: Path, found: Inspection, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with pool_of(clip) as pool:
        (pid,) = pool.pids
        assert pool.inspect(str(clip)) == found
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)], timeout=30)
        with monkeypatch.context() as patched:
            patched.setattr(process, "_spawn", refused)
            before = descriptors()
            for _ in range(2):
                with pytest.raises(Unavailable, match=os.strerror(number)) as caught:
                    pool.inspect(str(clip))
                assert caught.value.code == "decoder_start"
            assert descriptors() < before, "what the dead child held is closed, and nothing else is open"
        assert pool.inspect(str(clip)) == found


def test_a_pool_that_comes_up_without_children_gets_them_later(
    clip: Path, found: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EAGAIN, "no process")

    with monkeypatch.context() as patched:
        patched.setattr(process, "_spawn", refused)
        pool = pool_of(clip)
        with pytest.raises(Unavailable, match="no process"):
            pool.inspect(str(clip))
    with pool:
        assert pool.inspect(str(clip)) == found


def test_closing_the_pool_ends_what_waits(clip: Path, found: Inspection) -> None:
    pool = pool_of(clip, "tests.support.rogue_decoders:Hanging")
    cells = iter(pool.decode(span_of(found, clip)))
    assert next(cells).segment == 0
    closer = threading.Thread(target=pool.close)
    closer.start()
    with pytest.raises(Retryable):
        list(cells)
    closer.join()
    with pytest.raises(Unavailable):
        pool.inspect(str(clip))


def test_nothing_is_left_open(clip: Path, found: Inspection) -> None:
    shared_before = set(Path("/dev/shm").iterdir())
    with pool_of(clip):
        pass
    before = descriptors()
    for _ in range(3):
        with pool_of(clip, "tests.support.rogue_decoders:Dying") as pool, pytest.raises(Retryable):
            list(pool.decode(span_of(found, clip)))
    assert descriptors() == before
    assert set(Path("/dev/shm").iterdir()) <= shared_before


def test_children_die_with_a_killed_parent(clip: Path) -> None:
    command = program("decode_parent", clip, clip.parent)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(children) == 2
        parent.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert len(gone) == 2


def test_a_warm_pool_has_all_its_children_up(tmp_path: Path) -> None:
    with DecodePool(children=3, policy=SourcePolicy(roots=(str(tmp_path),))) as pool:
        pool.warm()
        assert pool.ready == len(pool.pids) == 3


def test_who_looks_at_a_file_does_not_wait_for_those_who_decode(clip: Path, found: Inspection) -> None:
    with pool_of(clip) as pool:
        cells = pool.decode(span_of(found, clip))
        assert next(cells).segment == 0
        (decoding,) = pool.pids
        assert pool.inspect(str(clip)) == found
        (more,) = pool.pids - {decoding}
        assert pool.inspect(str(clip)) == found
        assert pool.pids == {decoding, more}
        assert [frames.segment for frames in cells] == [1, 2, 3]
        os.kill(more, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(more)] if psutil.pid_exists(more) else [], timeout=30)
        again = pool.decode(span_of(found, clip))
        assert next(again).segment == 0
        assert pool.inspect(str(clip)) == found
        again.close()
        left = pool.pids
    assert not any(psutil.pid_exists(pid) for pid in left)


def test_where_no_further_child_starts_who_looks_at_a_file_waits(
    clip: Path, found: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def refuse(*_: object) -> None:
        refused.append("no room")
        raise OSError(errno.EAGAIN, "no more processes")

    with pool_of(clip) as pool, ThreadPoolExecutor(1) as other:
        cells = pool.decode(span_of(found, clip))
        assert next(cells).segment == 0
        monkeypatch.setattr(process, "_spawn", refuse)
        looked = other.submit(pool.inspect, str(clip))
        wait_for(lambda: bool(refused), "a further child is asked for")
        assert [frames.segment for frames in cells] == [1, 2, 3]
        assert looked.result(60) == found
        assert len(refused) == 1


def test_who_looks_at_a_file_takes_a_child_that_is_idle(clip: Path, found: Inspection) -> None:
    with pool_of(clip) as pool:
        pool.warm()
        before = pool.pids
        assert pool.inspect(str(clip)) == found
        assert pool.pids == before


def test_what_one_tenant_has_open_stays_open_for_no_other(clip: Path, found: Inspection) -> None:
    policies = {"default": SourcePolicy(roots=(str(clip.parent),)), "other": SourcePolicy(roots=("/nowhere",))}
    span = span_of(found, clip)
    stranger = span.model_copy(update={"asset": span.asset.model_copy(update={"tenant": "other"})})
    owner = span.asset.tenant
    with DecodePool(children=1, policy_of=lambda tenant: policies["default" if tenant == owner else tenant]) as pool:
        assert pool.inspect(str(clip), owner) == found
        with pytest.raises(BadMedia) as refused:
            pool.inspect(str(clip), "other")
        assert refused.value.code == "not_found"
        assert list(pool.decode(span))
        with pytest.raises(BadMedia):
            list(pool.decode(stranger))
