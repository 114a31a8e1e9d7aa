"""Which allocator a process takes: a library asks for it once, when it loads."""

import os
import subprocess

import pytest

from tests.support.programs import ROOT, program

NAME = "ARROW_DEFAULT_MEMORY_POOL"


@pytest.mark.parametrize(("said", "taken"), [({}, "system"), ({NAME: "mimalloc"}, "mimalloc")])
def test_arrow_allocates_from_the_heap_in_a_process_of_the_delta_sink(said: dict[str, str], taken: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != NAME}
    command = program("allocator_of", "run", "parquet", "--help")
    done = subprocess.run(command, cwd=ROOT, env={**environment, **said}, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.splitlines()[-1] == taken
