"""Which member of a consumer group reads which partition. Pure, cooperative and sticky: few partitions move."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

P = TypeVar("P", bound=Hashable)
M = TypeVar("M", bound=Hashable)


def assign(partitions: Sequence[P], members: Sequence[M], current: Mapping[P, M]) -> dict[P, M]:
    """Each partition gets one member. Loads differ by at most one. A partition moves only for the sake of balance.

    Without members the assignment is empty. Deterministic in the order of its arguments.
    """
    if not members:
        return {}
    floor, extra = divmod(len(partitions), len(members))
    load = dict.fromkeys(members, 0)
    kept: dict[P, M] = {}
    for partition in partitions:
        owner = current.get(partition)
        if owner is None or owner not in load:
            continue
        # A member at the floor may keep one of the extra partitions, so that this one need not move.
        if load[owner] < floor or (load[owner] == floor and extra > 0):
            extra -= load[owner] == floor
            load[owner] += 1
            kept[partition] = owner
    for partition in partitions:
        if partition not in kept:
            owner = min(members, key=load.__getitem__)
            kept[partition] = owner
            load[owner] += 1
    return kept
