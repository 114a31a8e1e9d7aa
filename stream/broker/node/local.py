"""A single Kafka node on the loopback (KRaft, Apache Kafka 4.3.1), for one machine and for tests. Not for production:
it keeps one copy of everything.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

from stream.broker.node.security import (
    Security,
    client_properties,
    listeners,
    provide,
    scram_user,
    security_of,
    server_secrets,
    write_private,
)
from stream.clock import Clock
from stream.errors import Fatal
from stream.files import make_folder, sync

VERSION = "4.3.1"
POM = Path(__file__).parents[3] / "deploy" / "kafka" / "pom.xml"
_INSTALL_JAVA = "apt install default-jre-headless"
_START_S = 60.0
_STOP_S = 30.0
# Below the range of ports that systems give to outgoing connections (see `free_port`).
_PORTS = range(20_000, 32_768)
# A node for trials needs little: the smaller heap and the first compiler tier start it in about two seconds.
_JVM = ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def fetch_jars(cache_dir: Path) -> Path:
    """The folder of Kafka's jars. Maven copies them there the first time. Raises `Fatal` with what is missing."""
    jars = cache_dir / f"kafka-{VERSION}"
    if jars.is_dir():
        return jars
    maven = _program("mvn", "Maven", "apt install maven")
    make_folder(cache_dir)
    with tempfile.TemporaryDirectory(dir=cache_dir) as fresh:
        done = subprocess.run(  # noqa: S603 - our own POM
            [
                *(maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"),
                *("-DincludeScope=runtime", f"-DoutputDirectory={fresh}/jars"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["no output"]
            raise Fatal(f"Maven could not fetch Kafka {VERSION}: {last[0][:300]}", code="kafka_jars")
        for path in (*Path(fresh).glob("jars/*"), Path(fresh) / "jars"):
            sync(path)
        # Fetched beside and renamed at the end, so that a killed process leaves no half-filled folder.
        try:
            (Path(fresh) / "jars").rename(jars)
        except OSError:  # another process was faster
            if not jars.is_dir():
                raise
    sync(cache_dir)
    return jars


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """`pid` is None when no node runs. `client_properties` is None where clients need none."""

    pid: int | None
    servers: str
    directory: Path
    client_properties: Path | None = None


class LocalNode:
    """A node whose state, log and process id lie under `directory`. It outlives the process that starts it, and keeps
    the port and security it was created with. Raises `Fatal` for another `security`.
    """

    def __init__(self, directory: Path, clock: Clock, *, port: int = 9092, security: Security | None = None) -> None:
        self.directory = directory
        self._clock = clock
        self._port = _port_of(directory) or port
        made_with = security_of(directory)
        if security not in {None, made_with or security}:
            raise Fatal(
                f"the node of {directory} was made with {made_with}, not {security}: choose another directory (--dir)",
                code="kafka_security",
            )
        self._security: Security = made_with or security or "plaintext"
        self._pid_file = directory / "node.pid"
        # Held: Python warns of child processes without a reference.
        self._started: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self._port}"

    def status(self) -> NodeStatus:
        process = self._process()
        pid = None if process is None else process.pid
        return NodeStatus(pid, self.servers, self.directory, client_properties(self.directory))

    def up(self, jars: Path) -> NodeStatus:
        """Start it unless it runs, and wait until it answers. Raises `Fatal` with the end of its log otherwise."""
        if self._process() is not None:
            return self.status()
        java = _program("java", "Java 17 or newer", _INSTALL_JAVA)
        self._prepare(java, jars)
        with (self.directory / "node.log").open("ab") as log:
            process = self._started = subprocess.Popen(  # noqa: S603 - our own command line
                [java, *_JVM, *self._java(jars), "kafka.Kafka", str(self.directory / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # The creation time tells the node from a later process with the same id.
        self._pid_file.write_text(f"{process.pid}\n{psutil.Process(process.pid).create_time()}\n")
        deadline_s = self._clock.monotonic_s() + _START_S
        while not _answers(self._port):
            if process.poll() is not None or self._clock.monotonic_s() > deadline_s:
                self.down()
                raise Fatal(
                    f"Kafka did not start on port {self._port}; its log {self.directory / 'node.log'} ends with:"
                    f" {self._log_end()}",
                    code="kafka_start",
                )
            self._clock.sleep(0.05)
        return self.status()

    def down(self, sig: int = signal.SIGTERM) -> None:
        """Stop it and wait for its end; its stored data stays. Idempotent."""
        process = self._process()
        if process is not None:
            process.send_signal(sig)
            try:
                process.wait(_STOP_S)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(_STOP_S)
        if self._started is not None:
            self._started.wait()
            self._started = None
        self._pid_file.unlink(missing_ok=True)

    def _process(self) -> psutil.Process | None:
        """The process of the node if it runs. Its creation time counts too, as its id may be another's by now."""
        try:
            pid, created = self._pid_file.read_text().split()
            process = psutil.Process(int(pid))
            if process.create_time() == float(created) and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except (OSError, ValueError, psutil.Error):
            pass
        return None

    def _prepare(self, java: str, jars: Path) -> None:
        """Write the configuration, and format the storage the first time."""
        self.directory.mkdir(parents=True, exist_ok=True)
        properties = self.directory / "server.properties"
        fresh = not (self.directory / "data" / "meta.properties").exists()
        if fresh and self._security != "plaintext":
            provide(self.directory, self._security, _program("keytool", "Java's keytool", _INSTALL_JAVA))
        if fresh or not properties.exists():
            controller = free_port(besides=(self._port,))
            internal = free_port(besides=(self._port, controller))
            write_private(properties, self._properties(controller=controller, internal=internal))
        (self.directory / "log4j2.properties").write_text(_LOG4J)
        if fresh:
            self._format(java, jars)

    def _format(self, java: str, jars: Path) -> None:
        """Its command line is passed in a file, as it may hold a password."""
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        user = ["--add-scram", scram_user(self.directory)] if self._security == "sasl" else []
        line = [
            *(*_JVM, "-XX:-UsePerfData", *self._java(jars), "kafka.tools.StorageTool", "format"),
            *(f"--cluster-id={cluster}", "-c", str(self.directory / "server.properties"), "--standalone", *user),
        ]
        arguments = self.directory / "format.arguments"
        write_private(arguments, "".join(f'"{_escaped(part)}"\n' for part in line))
        try:
            done = subprocess.run(  # noqa: S603 - our own command line
                [java, f"@{arguments}"], capture_output=True, text=True, check=False
            )
        finally:
            arguments.unlink()
        if done.returncode:
            # Half-formatted storage would count as formatted at the next start.
            shutil.rmtree(self.directory / "data", ignore_errors=True)
            said = "the user could not be made" if user else _cause(done.stderr)  # it repeats its arguments
            raise Fatal(f"cannot format Kafka's storage: {said}", code="kafka_start")

    def _properties(self, *, controller: int, internal: int) -> str:
        settings = {
            **_SETTINGS,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "log.dirs": self.directory / "data",
            **listeners(self._security, self._port, internal, controller),
            **server_secrets(self.directory, self._security),
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _java(self, jars: Path) -> list[str]:
        return [
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}",
            f"-Dkafka.logs.dir={self.directory}",
            *("-cp", f"{jars}/*"),
        ]

    def _log_end(self) -> str:
        try:
            lines = (self.directory / "node.log").read_text(errors="replace").strip().splitlines()
        except OSError:
            return "(no log)"
        return " / ".join(line[:200] for line in lines[-3:]) or "(empty)"


def _cause(trace: str) -> str:
    """The last cause that a Java program names, without the stack trace."""
    causes = [line for line in trace.splitlines() if line and not line.startswith("\t")]
    return causes[-1][:300] if causes else "no reason given"


def _program(name: str, what: str, how: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH"))
    if found is None:
        raise Fatal(f"{what} is missing: install it (such as `{how}`) and try again", code="program_missing")
    return found


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


def free_port(besides: Collection[int] = ()) -> int:
    """A port of the loopback that nothing listens on now and that is none of `besides`. It lies below the range for
    outgoing connections. So no such connection takes it before the node listens, and a client that tries it while its
    node is down never connects to itself.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        if port not in besides and _bindable(port):
            return port
    raise Fatal(f"no port of the loopback is free between {_PORTS.start} and {_PORTS.stop}", code="no_port")


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _port_of(directory: Path) -> int | None:
    """The port with which the node of this directory was created."""
    try:
        lines = (directory / "server.properties").read_text().splitlines()
    except OSError:
        return None
    listeners = next((line for line in lines if line.startswith("advertised.listeners=")), "")
    _, _, port = listeners.rpartition(":")
    return int(port) if port.isdigit() else None


def _escaped(argument: str) -> str:
    """Quoted for Java's argument files."""
    return argument.replace("\\", "\\\\").replace('"', '\\"')


# One broker and controller in one process. Partitions and replicas are one where Kafka's default is three.
_SETTINGS: dict[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "default.replication.factor": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "offsets.retention.minutes": 525_600,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    "message.max.bytes": 17 * 1024 * 1024,
    "replica.fetch.max.bytes": 17 * 1024 * 1024,
    "log.segment.bytes": 64 * 1024 * 1024,
    "log.retention.check.interval.ms": 5_000,
    "log.segment.delete.delay.ms": 1_000,
}


_LOG4J = """\
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
"""
