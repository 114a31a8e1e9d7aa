"""`rushes doctor`: checks whether this machine has everything that a run needs."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from stream.cli.context import Context
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.sessions import ClientProperties, Cluster
from stream.cli.rendering.checks import Check
from stream.cli.rendering.sanitize import shown
from stream.errors import StageError

NEEDED_FREE_BYTES = 1 << 30
SANDBOX_ADVICE = (
    "run on Linux (x86_64 or aarch64) where seccomp filters are allowed, as the default profiles of Docker and"
    " Kubernetes do; RUSHES_SANDBOX=required refuses to decode without"
)
SANDBOX_HOLDS = {
    "environment": "nothing of it but language and library paths",
    "no new privileges": "no program gives it more rights",
    "limits": "memory, files and CPU time cannot be raised",
    "processes": "it starts none and signals none",
    "network": "no socket of any kind",
    "file system": "no file but Python's code, nothing written",
}


def doctor(
    context: typer.Context,
    broker: Annotated[
        str | None, typer.Option(help="kafka://host:port[,host:port…]: look at that cluster and its topics too.")
    ] = None,
    client_properties: ClientProperties = None,
    partitions: PartitionCounts = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """Check Python, libraries, weights, disk, the state directory and the sandbox of decode processes on this machine.
    The exit code is 1 if something is missing that a run needs.
    """
    shared: Context = context.obj
    checks = [*_machine(), *_libraries(), *_weights(shared), _disk(shared.state_dir), _writable(shared.state_dir)]
    checks += _sandbox(shared)
    if broker is not None:
        from stream.cli.commands.doctor_cluster import cluster_checks

        cluster = Cluster(broker, client_properties, shared.deployment)
        checks += cluster_checks(cluster, shared, Partitions.parse(partitions))
    if json_output:
        shared.print_json([asdict(check) for check in checks])
    else:
        table = Table()
        for column in ("check", "", "found", "what to do"):
            table.add_column(column, overflow="fold")
        for check in checks:
            mark = "[green]ok[/]" if check.good else "[red]no[/]" if check.needed else "[yellow]no[/]"
            table.add_row(check.name, mark, shown(check.found), check.advice if not check.good else "")
        shared.console.print(table)
    # Only what a run needs decides: a missing sandbox is advice, unless it is required.
    if not all(check.good or not check.needed for check in checks):
        raise typer.Exit(1)


def _machine() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")
    yield Check("processors", True, str(os.cpu_count()))


def _libraries() -> Iterator[Check]:
    # Torch takes seconds to import, so only this check does it.
    import av
    import torch

    yield Check("ffmpeg (in av)", "h264" in av.codecs_available, f"av {av.__version__}", "run `make install`")
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none, models run on the CPU"
    yield Check("torch", True, torch.__version__)
    yield Check("accelerator", True, device)


def _weights(shared: Context) -> Iterator[Check]:
    from models.weights.fetch import WeightsCache, pins

    cache = WeightsCache(shared.cache_dir)
    for pin in pins("weights"):
        here = cache.present(pin)
        yield Check(f"weights: {pin.name}", here, pin.job if here else "missing", "run `rushes weights fetch`")


def _sandbox(shared: Context) -> Iterator[Check]:
    """Checks what the sandbox refuses to a decode process. A real decode process tried each measure."""
    from decoders.sandbox.pool import DecodePool
    from stream.children.confinement import MEASURES

    held = dict.fromkeys(MEASURES, False)
    try:
        # One child of the real kind: what the kernel really refuses cannot be read anywhere.
        with DecodePool(children=1) as pool:
            pool.warm()
            held |= pool.held
    except StageError as error:
        yield Check("sandbox", False, error.message, "run `make install`")
        return
    for name, holds in held.items():
        found = SANDBOX_HOLDS[name] if holds else f"does not hold: {SANDBOX_HOLDS[name]}"
        yield Check(f"sandbox: {name}", holds, found, SANDBOX_ADVICE, needed=shared.require_sandbox)


def _disk(state_dir: Path) -> Check:
    free = shutil.disk_usage(_existing(state_dir)).free
    return Check("disk", free > NEEDED_FREE_BYTES, f"{free / 1e9:.1f} GB free", "free at least 1 GB")


def _writable(state_dir: Path) -> Check:
    good = os.access(_existing(state_dir), os.W_OK)
    return Check("state directory", good, str(state_dir), "choose another with --state")


def _existing(path: Path) -> Path:
    # The folder need not exist before the first run.
    return next(parent for parent in (path, *path.parents) if parent.exists())
