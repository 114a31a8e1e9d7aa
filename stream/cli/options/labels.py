"""The option `--label`."""

from collections.abc import Sequence

from stream.cli.context import UsageProblem


def parse_labels(pairs: Sequence[str]) -> dict[str, str]:
    """`k=v` pairs. Raises `UsageProblem` for anything else."""
    labels = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found or not key:
            raise UsageProblem(f"--label {pair!r} is not k=v")
        labels[key] = value
    return labels
