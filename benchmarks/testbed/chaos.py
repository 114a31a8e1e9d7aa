"""Everything that can befall a roll-out on one machine, drawn from a seed: kills, broker restarts, joins and leaves,
a frozen member, a full disk, a store that refuses, transactions on `assets`, more partitions; with observers that
must keep telling the truth. `make chaos` runs it long, a test short.
"""

import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from filelock import FileLock

from benchmarks.testbed.cluster_changes import Transactions, add_partitions
from benchmarks.testbed.disks import SmallDisk
from benchmarks.testbed.fleet import PARTITIONS, Fleet, Member, Role
from benchmarks.testbed.observers import Watched
from benchmarks.testbed.runs import StoredRows, assert_same_rows, stored_rows
from sinks.dead_letters import DeadLetterFilter, DeadLetters
from sinks.maintenance.verify import verify
from sinks.query.catalogue import AssetView, Catalogue
from stream.broker.contract import Producer
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.node.local import LocalNode
from stream.clock import SystemClock
from stream.events.asset import AssetPublished, AssetStatus, Outcome, SegmentProgressed
from stream.events.base import Event
from stream.pipelines.understanding import reference_topology
from stream.sessions.stage_process import Deployment, prepare
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import ANNOTATIONS, ASSETS, FRAMES, PROGRESS, SPANS

Blow = Literal[
    "kill",
    "restart",
    "crash",
    "join",
    "leave",
    "freeze",
    "long freeze",
    "full disk",
    "refusal",
    "transaction",
    "aborted transaction",
    "more partitions",
]
ROLES = (Role(("plan", "decode"), 2), Role(("understand",), 2), Role(("index", "parquet", "dead-letters"), 2))
FROZEN_S = 20.0  # longer than a session may be silent
LONG_FROZEN_S = 60.0
RECOVERED_S = 30.0
"""So long after a broker's return observers may stay blind."""
PATIENCE_S = 120.0
GROWING = (ASSETS.name, SPANS.name, FRAMES.name, ANNOTATIONS.name, PROGRESS.name)
FINAL = {AssetStatus.READY, AssetStatus.PARTIAL, AssetStatus.FAILED, AssetStatus.DELETED}


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each blow falls; `lasting_s` is how long a disk stays full and a store refuses."""

    blows: Mapping[Blow, int]
    lasting_s: float
    longest_pause_s: float = 2.0

    def drawn(self, rng: random.Random) -> list[Blow]:
        found = [blow for blow, times in self.blows.items() for _ in range(times)]
        rng.shuffle(found)
        return found


@dataclass(slots=True)
class Chaos:
    """One roll-out under fire. `publish` sends an event; the state directory's `parquet` lies on `disk`."""

    state: Path
    node: LocalNode
    jars: Path
    disk: SmallDisk
    fleet: Fleet
    plan: Plan
    rng: random.Random
    told: Callable[[str], None] = lambda _: None
    struck: Counter[Blow] = field(default_factory=Counter)
    expelled: int = 0
    """Frozen members whose partitions others had when they woke."""
    orphans: list[psutil.Process] = field(default_factory=list)
    watched: Watched | None = None
    """An observer that lives through it all."""
    blind_s: list[float] = field(default_factory=list)
    """How long after each of the broker's returns the observer and the exporter saw nothing."""
    partitions: int = PARTITIONS
    _due: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    _clock: SystemClock = field(default_factory=SystemClock)

    def run(self, events: Sequence[Event]) -> None:
        """Every blow of the plan once the first asset is in the index, with the events published in between; ends when
        the last consequence is undone.
        """
        broker = self.broker()
        producer = broker.producer()
        blows = self.plan.drawn(self.rng)
        waiting = list(events)
        self._warm_up(broker, producer, waiting.pop(0))
        for number, blow in enumerate(blows, start=1):
            due = round(len(events) * number / len(blows)) - (len(events) - len(waiting))
            fresh, waiting = waiting[: max(0, due)], waiting[max(0, due) :]
            if blow == "transaction":
                self._transact(fresh, commit=True)
            else:
                for record in map(encode, fresh):
                    producer.send(ASSETS.name, record.key, record.value, record.headers)
            if blow == "aborted transaction":
                self._transact([void()], commit=False)
            self._strike(blow)
            self.struck[blow] += 1
            self.told(blow)
            self._pass(self.rng.uniform(0.1, self.plan.longest_pause_s))
        producer.flush(60.0)
        producer.close()
        broker.close()
        while self._due:
            self._pass(0.5)

    def _warm_up(self, broker: KafkaBroker, producer: Producer, event: Event) -> None:
        prepare(broker, reference_topology(), Deployment(0, PARTITIONS))
        record = encode(event)
        producer.send(ASSETS.name, record.key, record.value, record.headers)
        while not Catalogue(self.state / "lancedb").assets():
            self._pass(0.2)

    def broker(self) -> KafkaBroker:
        return KafkaBroker(KafkaSettings(self.node.servers), self._clock)

    def settle(self, assets: set[tuple[str, str]], within_s: float) -> None:
        """Wait until every asset is final and every group has acknowledged everything."""
        broker, deadline_s = self.broker(), self._clock.monotonic_s() + within_s
        while left := [*self._unfinished(assets), *unread(broker)]:
            if self._clock.monotonic_s() > deadline_s:
                raise AssertionError(f"still waiting after {within_s:.0f} s for {left[:8]}")
            self._pass(1.0)
        broker.close()

    def see_the_end(self) -> None:
        """Wait for observers to know what `settle` found out: an exporter looks every few seconds."""
        assert self.watched is not None
        deadline_s = self._clock.monotonic_s() + PATIENCE_S
        while not self.watched.sees() or self.watched.left():
            assert self._clock.monotonic_s() < deadline_s, f"observers still tell of {self.watched.left()}"
            self._pass(0.5)

    def _unfinished(self, assets: set[tuple[str, str]]) -> list[str]:
        found = {(view.tenant, view.asset_id): view.status for view in Catalogue(self.state / "lancedb").assets()}
        return [f"{tenant}/{name}" for tenant, name in sorted(assets) if found.get((tenant, name)) not in FINAL]

    def _strike(self, blow: Blow) -> None:
        match blow:
            case "kill":
                self.orphans += self.fleet.kill(self._at_work())
            case "restart" | "crash":
                self.node.down(signal.SIGKILL if blow == "crash" else signal.SIGTERM)
                self.node.up(self.jars)
                self._see_again()
            case "join":
                self.fleet.join(self.rng.choice(self.fleet.roles))
            case "leave":
                stuck = self.fleet.leave([self.rng.choice([each for each in self.fleet.members if not each.frozen])])
                assert not stuck, "a member did not leave when asked"
                self._refill()
            case "freeze" | "long freeze":
                self._freeze(FROZEN_S if blow == "freeze" else LONG_FROZEN_S)
            case "full disk":
                self._fill()
            case "refusal":
                self._refuse()
            case "more partitions":
                self._grow()

    def _fill(self) -> None:
        if not self.disk.filled:
            self.disk.fill(1 << 20)
            self._later(self.plan.lasting_s, self.disk.make_room)

    def _grow(self) -> None:
        self.partitions += 1
        for topic in GROWING:
            add_partitions(KafkaSettings(self.node.servers), topic, self.partitions)

    def _transact(self, events: Sequence[Event], *, commit: bool) -> None:
        producer = Transactions(KafkaSettings(self.node.servers), "chaos")
        producer.begin_records(ASSETS.name, [encode(event) for event in events])
        producer.end(commit=commit)
        producer.close()

    def _see_again(self) -> None:
        """Wait until who watches does so again; how long that takes is judged in the end."""
        if self.watched is None:
            return
        back_s = self._clock.monotonic_s()
        while not self.watched.sees():
            if self._clock.monotonic_s() - back_s > PATIENCE_S:
                raise AssertionError(f"for {PATIENCE_S:.0f} s no observer saw anything: {self.watched.says()}")
            self._pass(0.5)
        self.blind_s.append(self._clock.monotonic_s() - back_s)

    def _freeze(self, seconds: float) -> None:
        member = self._at_work()
        self.fleet.freeze(member)
        self._later(seconds, lambda: self._thaw(member))

    def _thaw(self, member: Member) -> None:
        owners = self._owners()
        if not owners:  # the broker is away
            self._later(0.5, lambda: self._thaw(member))
            return
        self.expelled += member.name not in owners
        self.fleet.thaw(member)

    def _at_work(self) -> Member:
        """One that holds partitions, so that the blow is felt."""
        deadline_s = self._clock.monotonic_s() + PATIENCE_S
        while self._clock.monotonic_s() < deadline_s:
            owners = self._owners()
            found = [each for each in self.fleet.members if not each.frozen and each.name in owners]
            if found:
                return self.rng.choice(found)
            self._pass(0.2)
        raise AssertionError(f"for {PATIENCE_S:.0f} s no member held a partition")

    def _owners(self) -> set[str]:
        """Names of members that have partitions; nobody while the broker is away."""
        stages = [stage.name for stage in reference_topology().stages]
        admin = AdminClient({"bootstrap.servers": self.node.servers, "log_level": 0})
        found: set[str] = set()
        for future in admin.describe_consumer_groups(stages, request_timeout=5.0).values():
            with suppress(KafkaException):  # a coordinator moves
                members = future.result().members
                found |= {each.client_id for each in members if each.assignment.topic_partitions}
        return found

    def _refuse(self) -> None:
        """Nothing below the index may be written."""
        folders = [path for path in (self.state / "lancedb").rglob("*") if path.is_dir()]
        modes = {folder: folder.stat().st_mode & 0o777 for folder in [self.state / "lancedb", *folders]}
        set_modes(dict.fromkeys(modes, 0o555))
        self._later(self.plan.lasting_s, lambda: set_modes(modes))

    def _refill(self) -> None:
        """At least as many members of each role as planned."""
        for role in self.fleet.roles:
            there = sum(member.role == role for member in self.fleet.members)
            for _ in range(role.replicas - there):
                self.fleet.join(role)

    def _later(self, delay_s: float, undo: Callable[[], object]) -> None:
        self._due.append((self._clock.monotonic_s() + delay_s, undo))

    def _pass(self, seconds: float) -> None:
        """Time goes by: consequences end when they are due, and whoever ended is replaced."""
        self._clock.sleep(seconds)
        now_s = self._clock.monotonic_s()
        for due_s, undo in [each for each in self._due if each[0] <= now_s]:
            self._due.remove((due_s, undo))
            undo()
        self.fleet.tend()


def assert_felt(chaos: Chaos) -> None:
    """A frozen member was given up for dead, and the full disk and the refusal paused who writes there."""
    assert chaos.expelled, "every frozen member kept its partitions"
    for stage in ("parquet", "index"):
        assert chaos.fleet.saying(f"stage {stage}: paused"), f"nothing paused {stage}"


def assert_observed(chaos: Chaos) -> None:
    """Observers saw again soon after every return of the broker, and in the end they know that nothing is left."""
    assert chaos.watched is not None
    assert chaos.blind_s, "the broker never went away"
    assert max(chaos.blind_s) <= RECOVERED_S, f"observers were blind for {max(chaos.blind_s):.0f} s"
    left = chaos.watched.left()
    assert left == {}, f"observers tell of records that nobody has to read: {left}"


def void() -> Event:
    """An asset that its producer takes back."""
    return Event(AssetPublished(uri="file:///void.mp4", asset_id="void"), "north", "p", "void", 1000)


def set_modes(modes: Mapping[Path, int]) -> None:
    """Of folders that are still there."""
    for folder, mode in modes.items():
        if folder.exists():
            folder.chmod(mode)


def unread(broker: KafkaBroker) -> Iterator[str]:
    """What some stage has not acknowledged."""
    for topic, groups in reference_topology().groups().items():
        for group in groups:
            if group != "caption" and (records := broker.backlog(topic, group).records):
                yield f"{group}: {records} of {topic}"


@dataclass(frozen=True, slots=True)
class Redone:
    """Cells that decode told of, with and without repetition."""

    told: int
    cells: int


def redone(broker: KafkaBroker) -> Redone:
    """Counted from the `progress` topic as it is."""
    decoder, reader = EventDecoder([PROGRESS]), broker.consumer([PROGRESS.name], "chaos-count")
    told: list[tuple[object, ...]] = []
    clock, seen_s = SystemClock(), None
    while seen_s is None or clock.monotonic_s() - seen_s < 5.0:
        for record in reader.poll(10_000, 0.5):
            seen_s = clock.monotonic_s()
            data = decoder.decode(record).data
            if isinstance(data, SegmentProgressed) and data.stage == "decode" and data.outcome is Outcome.DONE:
                told.append((data.asset.tenant, data.asset.asset_id, data.asset.version, data.segment))
        seen_s = clock.monotonic_s() if seen_s is None else seen_s
    reader.close()
    return Redone(len(told), len(set(told)))


def assert_undisturbed(
    state: Path,
    expected: StoredRows,
    statuses: Mapping[tuple[str, str], tuple[str, str | None]],
    bad: AbstractSet[tuple[str, str]],
) -> None:
    """Same rows in both stores, same statuses, no dead letter but of what is bad in itself."""
    assert_same_rows(stored_rows(state), expected)
    assert verify(state / "lancedb", state / "parquet").agrees
    found = {(view.tenant, view.asset_id): standing(view) for view in Catalogue(state / "lancedb").assets()}
    assert found == dict(statuses)
    assert {name for name, (status, _) in found.items() if status == AssetStatus.FAILED} <= bad
    dead_letters = DeadLetters(state / "lancedb").listed(DeadLetterFilter(states=()))
    assert {(each.dead_letter.tenant, each.dead_letter.asset_id) for each in dead_letters} <= bad


def standing(view: AssetView) -> tuple[str, str | None]:
    return view.status, view.code


def assert_nothing_left(chaos: Chaos) -> None:
    """After the last member left: no process of theirs (nor their memfds), no held lock, no temporary file."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + 20.0
    # No wait for a process id: another's thread may have it by now.
    while any(child.is_running() for child in chaos.orphans):
        assert clock.monotonic_s() < deadline_s, "children outlive their worker"
        clock.sleep(0.2)
    for lock in chaos.state.rglob("*.lock"):
        FileLock(lock).acquire(timeout=0).lock.release()
    left = [path.name for path in chaos.fleet.scratch.iterdir()]
    assert not left, f"temporary files are left: {left}"
