"""Variants without an engine: the operators one after the other, in this process, each into a folder.

    python -m benchmarks.testbed.bare_variants PLAN OUT [NUMBER …]

PLAN is JSON: of each variant its stages in order, with settings, and inputs that are paths or names of earlier stages.
Without numbers all variants are made. Equal work is done once in a process, as whoever writes such a script would.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import platformdirs

from stream.media.catalogue import OperatorCatalogue
from stream.media.protocol import Task
from stream.pipelines.jobs import models_in


def make(stages: list[dict[str, Any]], folder: Path, operators: OperatorCatalogue, known: dict[str, Path]) -> None:
    """The outputs of each stage lie in a folder of its name. `known`: first outputs of what was made before."""
    first_outputs: dict[str, Path] = {}
    for stage in stages:
        operator = operators.operator(stage["operator"])
        inputs = {name: first_outputs.get(where) or Path(where) for name, where in stage["inputs"].items()}
        settings = operator.check(stage["settings"], sorted(inputs))
        work = json.dumps([stage["operator"], settings, stage["seed"], {name: str(at) for name, at in inputs.items()}])
        if work in known:
            first_outputs[stage["name"]] = known[work]
            continue
        made, scratch = folder / stage["name"], folder / "scratch"
        for each in (made, scratch):
            each.mkdir(parents=True)
        operator.render(Task(settings=settings, inputs=inputs, folder=made, scratch=scratch, seed=stage["seed"]))
        shutil.rmtree(scratch)
        first_outputs[stage["name"]] = known[work] = made / next(iter(operator.outputs(settings)))


def main() -> None:
    plan, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    numbers = [int(text) for text in sys.argv[3:]] or range(len(plan))
    operators = OperatorCatalogue(models=models_in(out, Path(platformdirs.user_cache_dir("rushes"))))
    known: dict[str, Path] = {}
    for number in numbers:
        make(plan[number], out / str(number), operators, known)


if __name__ == "__main__":
    main()
