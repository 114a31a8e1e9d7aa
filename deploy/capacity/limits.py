"""What is full first: at how many videos a day each part is at its end."""

from dataclasses import dataclass

from deploy.capacity.sums import DECODE_MEMBERS, Assumptions, Sums
from deploy.documents.markdown import table

NETWORK_MB_PER_S = 1_250


@dataclass(frozen=True, slots=True)
class Limit:
    """`videos` a day at which it is full, how that comes about, and what can be done."""

    name: str
    videos: float
    how: str
    then: str


def limits(given: Assumptions) -> list[Limit]:
    """The first that is reached comes first."""
    one = Sums(1.0, given)
    found = [_machine(one), _measured(one), *_partitions(one), _network(one)]
    found += [_writer(one, "index", "the index"), _writer(one, "parquet", "the Delta table")]
    return sorted(found, key=lambda limit: limit.videos)


def limits_table(given: Assumptions) -> str:
    rows = [(item.name, f"{item.videos:,.0f}", item.how, item.then) for item in limits(given)]
    return table(("what is full", "at videos a day", "how", "what then"), rows)


def _machine(one: Sums) -> Limit:
    return Limit(
        "one machine of `cores` for everything",
        one.given.cores * one.given.busy / (one.arrival * one["whole"]),
        "`cores` · `busy` / (`whole` of a video in the busiest hour)",
        "more machines, on Kafka",
    )


def _measured(one: Sums) -> Limit:
    return Limit(
        "the largest store that was measured",
        1 / one.by_measured,
        "`live` / rows kept of one video a day",
        "it is not known to break, nor shown to hold",
    )


def _partitions(one: Sums) -> list[Limit]:
    replica = one.given.cores * one.given.busy
    return [
        Limit(
            "`partitions` of `spans`, two members of decode a replica",
            one.given.partitions / DECODE_MEMBERS * replica / (one.arrival * one["decode"]),
            "`partitions` / 2 · `cores` · `busy` / (`decode` of a video)",
            "add partitions",
        ),
        Limit(
            "`partitions` of `frames`, one member of understand a replica",
            one.given.partitions * replica / (one.arrival * one["models"]),
            "`partitions` · `cores` · `busy` / (`models` of a video)",
            "add partitions, or devices",
        ),
    ]


def _network(one: Sums) -> Limit:
    return Limit(
        "a broker's network of 10 Gbit/s, frames written, copied and read",
        NETWORK_MB_PER_S / (one.frames_mb_per_s * (1 + one.given.replication)),
        "1,250 MB/s / (frames of a video · (1 + `replication`))",
        "more brokers",
    )


def _writer(one: Sums, stage: str, store: str) -> Limit:
    return Limit(
        f"one writer of {store}, on one core",
        1000 / one[stage] * one.given.busy / one.cells_per_s,
        f"1,000 / `{stage}` · `busy` / (cells of a video)",
        writers_words(stage),
    )


def writers_words(stage: str) -> str:
    """What can be done about a writer that is busy: whether the topology allows another one."""
    from stream.pipelines.reference import whole_topology
    from stream.pipelines.stages import INDEX, PARQUET

    if stage in (INDEX, PARQUET):
        return "divide the store into shards, with a writer each"
    most = next(item.max_replicas for item in whole_topology().stages if item.name == stage)
    return "more writers" if most is None else f"nothing yet: the stage has at most {most} replica"
