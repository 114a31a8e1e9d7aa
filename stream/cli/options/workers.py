"""Options that decide the results of workers: for `run`, for commands that start it, and for `ingest`, which works
itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from stream.cli.context import UsageProblem
from stream.cli.options.bounds import DAY_S
from stream.cli.options.roots import Roots, checked_schemes, roots_of_buckets
from stream.cli.options.shards import Shards
from stream.pipelines.settings import DEFAULT_SCHEMES, LOOKS, Device, ModelChoice, Settings

Embedder = Annotated[
    str | None, typer.Option(help="hf:DIR for a CLIP or SigLIP checkpoint; conse by default, with --light hashing.")
]
Captioner = Annotated[str, typer.Option(help="template, or hf:DIR for an image-to-text checkpoint.")]
EVERYTHING = ",".join(LOOKS)
Looks = Annotated[
    str,
    typer.Option(
        "--models",
        metavar="LOOK[,LOOK…]",
        help="What is looked for. What is not costs nothing: tags alone decode no dense view for shots. Rows say what"
        " nobody looked for.",
    ),
]
Light = Annotated[
    bool,
    typer.Option(help="For trials: hashing models by default. They need no weights, and their results mean nothing."),
]
WhereModelsRun = Annotated[str, typer.Option(help="Where models run: auto, cpu or cuda.")]
PrivateNetwork = Annotated[
    bool, typer.Option("--private-network", help="http(s) uris may lead to private and loopback addresses.")
]
Span = Annotated[float, typer.Option(min=1.0, max=DAY_S, help="Longest span in seconds; results do not depend on it.")]
Schemes = Annotated[
    list[str] | None,
    typer.Option(
        help="fsspec protocol that URIs may have beside file and http(s), such as s3. --root s3://… allows it too."
    ),
]
RootsOption = Annotated[
    list[str] | None,
    typer.Option("--root", help="What may be read: a folder, or s3://BUCKET/PREFIX; repeatable."),
]


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The options that every process of a roll-out must share. Each field is an option of `rushes run` with that name.

    Raises `UsageProblem` for an invalid device, scheme, root or number of shards, and for models that do not fit.
    """

    embedder: str | None = None
    captioner: str = "template"
    light: bool = False
    device: str = "auto"
    private_network: bool = False
    span: float = 120.0
    scheme: tuple[str, ...] = ()
    root: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    models: str = EVERYTHING

    def __post_init__(self) -> None:
        # At once, so that a wrong word ends the command before anything starts.
        parse_device(self.device)
        _ = self.chosen
        checked_schemes(self.scheme)
        Roots.named(self.root)
        Shards.parse(self.shards)

    @property
    def roots(self) -> Roots:
        return Roots.named(self.root)

    @property
    def chosen(self) -> ModelChoice:
        usual = ModelChoice.light() if self.light else ModelChoice()
        # Words of a person win over what --light chooses.
        named = replace(usual, embedder=self.embedder or usual.embedder, captioner=self.captioner)
        wanted = [name.strip() for name in self.models.split(",")]
        if self.embedder is not None and "vectors" not in wanted:
            raise UsageProblem("--embedder makes vectors: name vectors in --models, or leave it out")
        try:
            return named.looking_for(wanted)
        except ValueError as refused:
            raise UsageProblem(f"--models: {refused}") from None

    def applied(self, settings: Settings, allowed: Roots | None = None) -> Settings:
        """The settings of a worker with these options. It may also read `allowed`."""
        roots = self.roots.joined(allowed or Roots())
        return replace(
            Shards.parse(self.shards).applied(settings),
            # Added to what the settings allow already: options only widen for this process.
            roots=(*settings.roots, *map(Path, roots.folders)),
            prefixes=(*settings.prefixes, *roots.prefixes),
            models=self.chosen,
            model_device=parse_device(self.device),
            allow_private_addresses=self.private_network,
            max_span_s=self.span,
            schemes=tuple(dict.fromkeys((*DEFAULT_SCHEMES, *self.scheme, *self.roots.schemes))),
        )

    def words(self) -> list[str]:
        """These options for the command line of `rushes run`, without default values."""
        usual = WorkerOptions()
        changed = [name for name in option_names() if getattr(self, name) != getattr(usual, name)]
        return [word for name in changed for word in _words(name, getattr(self, name))]


def readable_roots(root: Sequence[str] | None, bucket: Sequence[str] | None) -> tuple[str, ...]:
    """The given roots, and the places of objects that notifications publish: workers could not read them otherwise."""
    return tuple(dict.fromkeys((*(root or ()), *roots_of_buckets(bucket or ()))))


def option_names() -> tuple[str, ...]:
    return tuple(field.name for field in fields(WorkerOptions))


def option(name: str) -> str:
    """The name of the option, as a person types it."""
    return f"--{name.replace('_', '-')}"


def parse_device(name: str) -> Device:
    if name not in get_args(Device):
        raise UsageProblem(f"--device {name!r}: choose auto, cpu or cuda")
    return cast("Device", name)


def _words(name: str, value: object) -> list[str]:
    if value is True:
        return [option(name)]
    values = value if isinstance(value, tuple) else (value,)
    return [word for each in values for word in (option(name), str(each))]
