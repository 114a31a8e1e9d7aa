"""Whose the stores under a state directory are: a small file there and in each store, which goes where they go."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock

from sinks.location import Location, Place
from sinks.storage.files import files_at
from stream.errors import Fatal
from stream.files import make_folder

FILE = "rushes-stores.json"
LOCK = "rushes-stores.lock"


@dataclass(frozen=True, slots=True)
class Marker:
    """`stores` is the id that all stores of one deployment share. `cluster` is empty where no Kafka is involved."""

    stores: str
    deployment: str
    cluster: str = ""


def identified(state: Path, stores: Sequence[Place], deployment: str, cluster: str = "") -> Marker:
    """What the stores under `state` are, for a writer of this deployment (on this cluster). Those that bear no mark, as
    an older release made them or as they are rebuilt, get that of the others, or a new one.

    Raises `Fatal` with words where they belong to another deployment (`other_deployment`), to another cluster
    (`other_cluster`), or not together (`stores_mixed`).
    """
    # Locked: two processes of a new deployment would give the stores two ids.
    with _held(state):
        found = {folder: mark for folder in _places(state, stores) if (mark := marked(folder)) is not None}
        known = next(iter(found.values()), Marker(uuid.uuid4().hex, deployment, cluster))
        # Before anything is written: a wrong mark would make the mix look right.
        _require_one(found)
        if known.deployment != deployment:
            raise Fatal(
                f"the stores under {state} belong to deployment {known.deployment!r}, and this is {deployment!r}: say"
                f" --deployment {known.deployment}, or take other stores (--state), or let them change sides with"
                " `rushes adopt`",
                code="other_deployment",
            )
        # Only where both are known: an embedded run has no cluster.
        if cluster and known.cluster and known.cluster != cluster:
            raise Fatal(
                f"the stores under {state} belong to deployment {deployment!r} of the Kafka cluster {known.cluster},"
                f" and this is {cluster}: take other stores (--state), or, where this cluster replaces that one,"
                " `rushes adopt --broker …`",
                code="other_cluster",
            )
        known = replace(known, cluster=known.cluster or cluster)
        _mark(known, {folder: found.get(folder) for folder in _places(state, stores)})
        return known


def adopted(state: Path, stores: Sequence[Place], deployment: str, cluster: str = "") -> Marker:
    """Let the stores under `state` be those of this deployment, whoever had them. Nobody may be writing."""
    with _held(state):
        found = {folder: mark for folder in _places(state, stores) if (mark := marked(folder)) is not None}
        ids = {mark.stores for mark in found.values()}
        # One id that all share is kept, so that other processes of the deployment still recognise it.
        known = Marker(ids.pop() if len(ids) == 1 else uuid.uuid4().hex, deployment, cluster)
        _mark(known, {folder: found.get(folder) for folder in _places(state, stores)})
        return known


def marked(place: Place) -> Marker | None:
    """None where there is no mark. Raises `Fatal` (`stores_mark`) for what is none, `Unavailable` where an object store
    does not answer.
    """
    location = Location.of(place)
    try:
        content = files_at(location).read(FILE)
        if content is None:
            return None
        emitted = json.loads(content)
        return Marker(str(emitted["stores"]), str(emitted["deployment"]), str(emitted.get("cluster") or ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fatal(
            f"{location.child(FILE)} cannot be read ({type(error).__name__}): remove it, or put it right with"
            " `rushes adopt`",
            code="stores_mark",
        ) from None


def _places(state: Path, stores: Sequence[Place]) -> list[Location]:
    return [Location.of(place) for place in (state, *stores)]


def _require_one(found: dict[Location, Marker]) -> None:
    if len({mark.stores for mark in found.values()}) > 1:
        which = "; ".join(f"{folder} is of {mark.deployment!r} ({mark.stores[:8]})" for folder, mark in found.items())
        raise Fatal(
            f"these stores do not belong together: {which}. Put the right ones there, or make them one with `rushes"
            " adopt` and `rushes verify --repair`",
            code="stores_mixed",
        )


def _held(state: Path) -> FileLock:
    try:
        make_folder(state)
    except OSError as error:
        raise _unwritable(state, error) from None
    return FileLock(state / LOCK)


def _mark(mark: Marker, held: dict[Location, Marker | None]) -> None:
    for folder, before in held.items():
        # Only what differs is written, so that a start on a full disk works.
        if before != mark:
            try:
                files_at(folder).write(FILE, json.dumps(asdict(mark)) + "\n")
            except OSError as error:
                raise _unwritable(folder, error) from None


def _unwritable(folder: Place, error: OSError) -> Fatal:
    return Fatal(
        f"{folder} cannot be written ({error.strerror}): make room, or choose another with --state",
        code="state_unwritable",
    )
