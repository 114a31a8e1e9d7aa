"""A mixed load for a roll-out: containers and codecs, good and bad, published once, again, changed and deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.testbed.chaos import standing
from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import StoredRows, deletion, light_settings, published, run_events, stored_rows
from sinks.query.catalogue import Catalogue
from stream.events.base import Event

TENANTS = ("north", "south", "west")


@dataclass(frozen=True, slots=True)
class Workload:
    """`roots` hold the files that `events` name. `bad`: assets that are, or were before they changed, no media."""

    roots: tuple[Path, ...]
    events: tuple[Event, ...]
    bad: frozenset[tuple[str, str]]

    @property
    def assets(self) -> set[tuple[str, str]]:
        return {(event.tenant, event.subject) for event in self.events}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an undisturbed run leaves."""

    rows: StoredRows
    statuses: Mapping[tuple[str, str], tuple[str, str | None]]


def mixed(folder: Path, count: int, more: Sequence[Path] = ()) -> Workload:
    """`count` assets over a few made-up clips, two bad ones among them, and `more` files."""
    folder.mkdir()
    made = [
        write_clip(folder / "short.mp4", seconds=5, fps=4, scenes=2, size=(64, 48)).path,
        write_clip(folder / "long.mp4", seconds=62, fps=4, scenes=9, gop=20, size=(64, 48)).path,
        write_clip(folder / "stream.ts", seconds=24, fps=5, scenes=4, gop=15, size=(64, 48)).path,
        write_clip(folder / "old.avi", seconds=31, fps=4, scenes=3, codec="mpeg4", size=(64, 48)).path,
    ]
    noise, headless = folder / "noise.mp4", folder / "headless.mp4"
    noise.write_bytes(bytes(range(256)) * 40)
    headless.write_bytes(made[0].read_bytes()[:600])
    files = [*made, *more, noise, headless]
    first = [_asset(number, files[number % len(files)]) for number in range(count)]
    changed = [_asset(number, made[(number + 1) % len(made)]) for number in range(0, count, 7)]
    gone = [deletion(f"asset-{number}", tenant=_tenant(number)) for number in range(3, count, 11)]
    bad = {(_tenant(n), f"asset-{n}") for n in range(count) if files[n % len(files)] in (noise, headless)}
    return Workload((folder, *{path.parent for path in more}), (*first, *changed, *gone), frozenset(bad))


def undisturbed(state: Path, load: Workload) -> Outcome:
    """One embedded run of the whole load."""
    run_events(light_settings(state, *load.roots), load.events)
    views = Catalogue(state / "lancedb").assets()
    return Outcome(stored_rows(state), {(view.tenant, view.asset_id): standing(view) for view in views})


def _asset(number: int, path: Path) -> Event:
    return published(path, asset_id=f"asset-{number}", tenant=_tenant(number))


def _tenant(number: int) -> str:
    return TENANTS[number % len(TENANTS)]
