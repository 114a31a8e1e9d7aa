"""Workers of a topology on a real broker as processes of their own, started again whenever one ends."""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from benchmarks.testbed.runs import RUSHES, descendants

STOP_S = 60.0
PARTITIONS = 4
_LAST_WORDS = 4_000
"""Characters: a traceback has room in them."""


@dataclass(frozen=True, slots=True)
class Role:
    """The stages that one process runs, and how many such processes there are."""

    stages: tuple[str, ...]
    replicas: int


@dataclass(slots=True)
class Member:
    role: Role
    process: subprocess.Popen[bytes]
    log: Path
    frozen: bool = False

    @property
    def name(self) -> str:
        """Its `client.id`, where the fleet is `named`."""
        return self.log.stem


@dataclass(slots=True)
class Fleet:
    """`command` starts `rushes run`, without its stages; logs of all members lie under `logs`. `named`: the broker
    knows each member by name.

    Everything they create for a while goes to `scratch`, which must be empty once all have left.
    """

    command: Sequence[str]
    roles: Sequence[Role]
    logs: Path
    scratch: Path
    named: bool = False
    members: list[Member] = field(default_factory=list)
    started: int = 0
    unasked: list[tuple[str, int, str]] = field(default_factory=list)
    """Log, exit code and last words of each member that ended by itself."""

    def __enter__(self) -> Self:
        self.logs.mkdir()
        self.scratch.mkdir()
        for role in self.roles:
            for _ in range(role.replicas):
                self.join(role)
        return self

    def __exit__(self, *_: object) -> None:
        left = self.leave(self.members)
        assert not left, f"{len(left)} members did not leave within {STOP_S:.0f} s"

    def join(self, role: Role) -> Member:
        path = self.logs / f"{'-'.join(role.stages)}-{self.started}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [*self.command, *self._name(path.stem), *role.stages],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(self.scratch), "RUSHES_DEBUG": "1"},
            )
        self.started += 1
        member = Member(role, process, path)
        self.members.append(member)
        return member

    def leave(self, members: Sequence[Member]) -> list[Member]:
        """SIGTERM, as an orchestrator does; those that had to be killed after all."""
        for member in members:
            member.process.send_signal(signal.SIGCONT)
            member.process.terminate()
        stuck = []
        for member in list(members):
            try:
                member.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                stuck.append(member)
                member.process.kill()
                member.process.wait()
            self.members.remove(member)
        return stuck

    def tend(self) -> None:
        """Whoever ended is replaced."""
        for member in [each for each in self.members if each.process.poll() is not None]:
            words = member.log.read_text(errors="replace")[-_LAST_WORDS:]
            self.unasked.append((member.log.name, member.process.returncode, words))
            self._replace(member)

    def _name(self, name: str) -> list[str]:
        if not self.named:
            return []
        properties = self.logs / f"{name}.properties"
        properties.write_text(f"client.id={name}\n")
        return ["--client-properties", str(properties)]

    def kill(self, member: Member) -> list[psutil.Process]:
        """kill -9; the children it leaves behind, which must see that it is gone."""
        orphans = descendants(member.process.pid) if member.process.poll() is None else []
        member.process.kill()
        member.process.wait()
        self._replace(member)
        return orphans

    def freeze(self, member: Member) -> None:
        """SIGSTOP: it is neither dead nor alive."""
        member.frozen = True
        member.process.send_signal(signal.SIGSTOP)

    def thaw(self, member: Member) -> None:
        member.frozen = False
        member.process.send_signal(signal.SIGCONT)

    def saying(self, words: str) -> list[str]:
        """Logs that hold these words."""
        return [log.name for log in sorted(self.logs.glob("*.log")) if words in log.read_text(errors="replace")]

    def tracebacks(self) -> list[str]:
        """Logs of members that met something unforeseen."""
        return self.saying("Traceback")

    def _replace(self, member: Member) -> None:
        self.members.remove(member)
        self.join(member.role)


def fleet_command(
    state: Path, roots: Sequence[Path], servers: str, epoch_ms: int, through: Sequence[str] = ()
) -> list[str]:
    """How each member of a roll-out is started."""
    return [
        *through,
        *(str(RUSHES), "--state", str(state), "run", "--light", "--partitions", str(PARTITIONS)),
        *("--broker", f"kafka://{servers}", "--epoch-ms", str(epoch_ms)),
        *(word for root in roots for word in ("--root", str(root))),
    ]
