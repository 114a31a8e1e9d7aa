"""The stage `gate`, and where it puts on record what it refuses."""

import socket
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stream.audit.journal import Journal
from stream.audit.keys import key_beside, read_key
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import Recorder
from stream.audit.shared_journal import SharedJournal
from stream.clock import SystemClock
from stream.events.asset import AssetDeleted
from stream.events.base import Payload
from stream.operators.gate import GateOperator
from stream.pipelines.settings import Settings
from stream.pipelines.stages import GATE
from stream.topology.stage import BatchPolicy, Launch, Operator, Role, Scaling, Stage
from stream.topology.topics import ASSETS, Topic


def gate_stage(topics: Mapping[str, Topic], settings: Settings) -> Stage:
    """Reads the topics of tenants and writes `assets`. At most one replica works, and what the broker refuses is sent
    again with all that followed: so the events of an asset keep their order.
    """
    return Stage(
        name=GATE,
        sources=tuple(topics),
        targets=(ASSETS.name,),
        operator=partial(_operator, settings.audit),
        batch=BatchPolicy(max_records=64, max_bytes=8 << 20),
        max_replicas=1,
        in_order=True,
        role=Role.CONTROL,
        scaling=Scaling(prior_rate=1000.0),
        launch=Launch(volumes=frozenset({"audit"})),
    )


def _operator(audit: Path | None) -> Operator[Any]:
    if audit is None:
        return GateOperator()
    journal = Journal(audit, read_key(key_beside(audit)))
    # Shared: commands of the same machine write to it too, and what is refused is rare.
    recorder = Recorder(SharedJournal(journal), SystemClock(), version("rushes"))
    return GateOperator(partial(_denied, recorder, Origin(hostname=socket.gethostname())))


def _denied(recorder: Recorder, origin: Origin, tenant: str, asked: type[Payload], code: str) -> None:
    activity = Activity.DELETED if asked is AssetDeleted else Activity.PUBLISHED
    # The topic is all that is known of who it was: the broker tells nobody the producer's name.
    actor = Actor(f"producer:{tenant}", ActorKind.SERVICE)
    recorder.denied(activity, AccessSubject(GATE, tenant), actor, origin, code)
