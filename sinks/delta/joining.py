"""Which files of the Delta table are joined (pure)."""

from collections.abc import Iterable
from itertools import groupby

from sinks.delta.data_files import DataFile


def joins(files: Iterable[DataFile], target_bytes: int) -> list[list[DataFile]]:
    """Small files that are neighbours in time, in runs of about `target_bytes`. Old rows are never joined with new
    ones: the times of a file would be those of half the table, and each deletion would have to look into it.
    """
    found: list[list[DataFile]] = []
    ordered = sorted(files, key=lambda file: (file.tenant, file.day, file.first_ms, file.path))
    # A partition is a folder of its own, so no file holds rows of two.
    for _, neighbours in groupby(ordered, key=lambda file: (file.tenant, file.day)):
        run: list[DataFile] = []
        for file in neighbours:
            small = file.size_bytes < target_bytes / 2
            if not small or sum(held.size_bytes for held in run) >= target_bytes:
                found.append(run)
                run = []
            if small:
                run.append(file)
        found.append(run)
    # One alone would be rewritten as it is.
    return [run for run in found if len(run) > 1]
