"""`make bench-campaign`: what a campaign costs beside a bare script and beside a shell loop over the same variants.

    python -m benchmarks.campaign_cost [--variants 12] [--json FILE]

The example campaign in its shorter length. The bare script is one process that calls the same operators, one after the
other, and equal work once: no parts, no children, no ledger, no manifests. The shell loop is a process for each
variant, two at a time, as the campaign has two renderers. All are measured from start to exit, and must make the same
films.

A campaign is thousands of variants, so what is spent once says little: each is told as a whole, and for each variant
without what its start costs. That of the bare script is a run over no variant, that of the campaign the same campaign
again, which finds everything known (and so still takes the known variants' look-ups for its start).
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import yaml

from benchmarks.harness import Cost, Report, environment, measured
from stream.events.jobs import JobSpec
from stream.jobs.descriptions import Description
from stream.jobs.submission import Prepared, prepare

EXAMPLE = Path(__file__).resolve().parent.parent / "docs" / "examples" / "ads"
VARIANTS, RENDERERS = 12, 2
BARE = [sys.executable, "-m", "benchmarks.testbed.bare_variants"]


def campaign(folder: Path, variants: int) -> Path:
    """The example with its assets drawn, in its shorter length and with so many rows."""
    shutil.copytree(EXAMPLE, folder)
    subprocess.run([sys.executable, str(folder / "draw_assets.py")], check=True, stdout=subprocess.DEVNULL)
    template: dict[str, Any] = yaml.safe_load((folder / "template.yaml").read_text())
    axes = template["parameters"]["axes"]
    rows = [
        {"format": shape, "length": axes["length"][0], "language": language}
        for language in axes["language"]
        for shape in axes["format"]
    ]
    template["parameters"] = {"mode": "rows", "rows": rows[:variants]}
    path = folder / "short.yaml"
    path.write_text(json.dumps(template))
    return path


def plan_of(prepared: Prepared) -> list[list[dict[str, Any]]]:
    """Of each variant its stages, for the bare script."""
    description = Description.of(JobSpec(tenant="t", project="p", job="j", template=prepared.values))
    plan = []
    for variant in description.variants:
        stages = [description.stage(variant.number, index) for index in range(len(prepared.template.stages))]
        plan.append(
            [
                {
                    "name": stage.name,
                    "operator": stage.operator,
                    "settings": stage.settings,
                    "seed": stage.seed,
                    "inputs": {
                        name: str(prepared.assets[source.name]) if source.kind == "asset" else source.name
                        for name, source in stage.inputs.items()
                    },
                }
                for stage in stages
            ]
        )
    return plan


def cost_of(command: Sequence[str], **also: Any) -> Cost:
    with measured() as cost:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **also)
    return cost


def films(folder: Path) -> list[str]:
    """A digest of the packets of each film, in no order: content credentials change the file around them alone."""
    found = []
    for path in folder.rglob("*.mp4"):
        digest = hashlib.sha256()
        with av.open(str(path)) as container:
            for packet in container.demux():
                digest.update(bytes(packet))
        found.append(digest.hexdigest())
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, default=VARIANTS, choices=range(1, VARIANTS + 1), metavar="1 to 12")
    parser.add_argument("--json", type=Path, help="write the figures here and not to benchmarks/results")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        template = campaign(folder / "campaign", wanted.variants)
        plan = folder / "plan.json"
        plan.write_text(json.dumps(plan_of(prepare(template))))
        costs = run_all(folder, template, plan, wanted.variants)
    report = reported(costs, wanted.variants)
    report.show()
    if wanted.json is not None:
        figures = [asdict(figure) for figure in report.figures]
        wanted.json.write_text(json.dumps({"environment": environment(), "figures": figures}, indent=2) + "\n")
    elif wanted.variants == VARIANTS:
        print(report.write("campaign_cost"))


def run_all(folder: Path, template: Path, plan: Path, variants: int) -> dict[str, Cost]:
    numbers = "\n".join(map(str, range(variants)))
    loop = ["xargs", "-P", str(RENDERERS), "-n", "1", *BARE, str(plan), str(folder / "loop")]
    rushes = [sys.executable, "-m", "stream.cli.app", "--state", str(folder / "state"), "jobs", "submit", str(template)]
    nothing = folder / "nothing.json"
    nothing.write_text("[]")
    costs = {
        "bare start": cost_of([*BARE, str(nothing), str(folder / "nothing")]),
        "bare script": cost_of([*BARE, str(plan), str(folder / "bare")]),
        "shell loop": cost_of(loop, input=numbers, text=True),
        "campaign": cost_of([*rushes, "--deliver-to", str(folder / "finals"), "--renderers", str(RENDERERS)]),
        "campaign again": cost_of([*rushes, "--deliver-to", str(folder / "finals"), "--renderers", str(RENDERERS)]),
    }
    expected = films(folder / "bare")
    assert len(expected) == variants
    for name in ("loop", "finals"):
        assert films(folder / name) == expected, f"{name}: other films than the bare script's"
    return costs


def reported(costs: dict[str, Cost], variants: int) -> Report:
    report = Report(f"What does a campaign of {variants} variants cost beside a bare script and a shell loop?")
    bare = costs["bare script"]
    asked = {"campaign": " (asked: at most 1.15x)"}
    for name, cost in costs.items():
        limit = f"bare {bare.cpu_s:.1f} s" if cost is not bare else ""
        note = f"{cost.cpu_s / bare.cpu_s:.3f}x{asked.get(name, '')}" if name in {"shell loop", "campaign"} else ""
        report.add(f"{name}, CPU", cost.cpu_s, "s", limit=limit, note=note)
        report.add(f"{name}, from start to exit", cost.wall_s, "s")
        report.add(f"{name}, peak memory", cost.peak_bytes / 2**20, "MiB")
    each_bare = (bare.cpu_s - costs["bare start"].cpu_s) / variants
    each = (costs["campaign"].cpu_s - costs["campaign again"].cpu_s) / variants
    report.add("bare script, CPU a variant without its start", each_bare, "s")
    report.add("campaign, CPU a variant without its start", each, "s", note=f"{each / each_bare:.3f}x")
    return report


if __name__ == "__main__":
    main()
