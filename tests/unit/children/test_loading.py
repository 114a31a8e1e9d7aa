"""When a process begins to collect garbage."""

import inspect
import json
import subprocess
from collections.abc import Callable

import pytest

from decoders.sandbox import child as decode_child
from stream.children import loading
from stream.children.process import _BOOT
from stream.media import child as media_child
from tests.support.programs import ROOT, program


def _said(when: str) -> list[list[bool]]:
    """Whether a process collects, and looks through what it has loaded: before and after. This one goes on to."""
    done = subprocess.run(program("collecting", when), cwd=ROOT, check=True, capture_output=True, text=True)
    said: list[list[bool]] = json.loads(done.stdout)
    assert said[0] == [True, True]
    return said[1:]


def test_nothing_is_collected_while_a_command_loads_and_then_it_is() -> None:
    assert _said("loading") == [[False, True], [True, True]]


def test_a_child_that_has_loaded_collects_what_it_leaves_and_no_more() -> None:
    assert _said("loaded") == [[True, False]]


def test_nothing_is_looked_through_at_the_end() -> None:
    assert _said("exit") == [[False, False]]


@pytest.mark.parametrize("main", [decode_child.main, media_child.main])
def test_every_child_begins_to_collect_before_it_is_ready(main: Callable[..., None]) -> None:
    assert "gc.disable()" in _BOOT
    source = inspect.getsource(main)
    assert 0 < source.index(f"{loading.loaded.__name__}()") < source.index('"ready"')
