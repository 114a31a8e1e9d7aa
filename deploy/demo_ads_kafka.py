"""`make demo-ads-kafka`: the example campaign on a Kafka of this machine, with a renderer that is killed on the way.

    python -m deploy.demo_ads_kafka FOLDER

FOLDER holds the template with its assets; everything that is made lies beside them. The commands that it prints are
those of any cluster.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from sinks.location import Location
from stream.broker.node.local import LocalNode, fetch_jars, free_port
from stream.clock import SystemClock
from stream.errors import StageError
from stream.jobs.reports import is_final
from stream.jobs.submission import prepare
from stream.pipelines.jobs import JobPipeline, JobSettings
from stream.sessions.job_status import read_status
from stream.sessions.job_verification import verify_delivery

STOP_S = 90.0
LOOK_S = 1.0
KILLED_AFTER = 6
"""Parts that are done when the first renderer is killed: a few, so that it has begun another one."""


class Demo:
    """Its processes, and the commands that start them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rushes = [sys.executable, "-m", "stream.cli.app", "--state", str(folder / "state")]
        self._running: list[subprocess.Popen[bytes]] = []
        self._clock = SystemClock()
        self.job = prepare(folder / "template.yaml").template.name
        settings = JobSettings.under(folder / "state", Location.of(folder / "objects"))
        self._jobs = JobPipeline(settings, self._clock, afresh=False)

    def run(self, *words: str) -> None:
        """A command, shown and waited for."""
        say(f"$ rushes {shlex.join(words)}")
        subprocess.run([*self._rushes, *words], check=True)

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """A process that goes on, with a log of its own."""
        log = self._folder / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*self._rushes, "jobs", "run", *words], stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        self._running.append(process)
        say(f"  process {process.pid}: rushes jobs run {shlex.join(words)}")
        return process

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def followed(self) -> Iterator[dict[str, Any]]:
        """The job's states, as they change, until it has ended. Raises `SystemExit` where a process gave up."""
        told: dict[str, Any] = {}
        while not told or not is_final(told):
            found = read_status(self._jobs, "default", self.job)
            if found is not None and found != told:
                told = found
                yield found
            for process in self._running:
                if process.poll() not in {None, -9}:
                    raise SystemExit(f"process {process.pid} ended: see {self._folder / 'logs'}")
            self._clock.sleep(LOOK_S)


def say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    node = LocalNode(folder / "kafka", SystemClock(), port=free_port())
    try:
        yield node.up(fetch_jars(Path(platformdirs.user_cache_dir("rushes")))).servers
    finally:
        node.down()


def campaign(folder: Path, servers: str) -> None:
    demo = Demo(folder)
    at = ("--broker", f"kafka://{servers}", "--objects", str(folder / "objects"))
    key = made_key(folder)
    renders = ("render", *at, "--renderers", "1", "--deliver-root", str(folder / "finals"), "--manifest-key", str(key))
    say("\n2  one process coordinates, two render; they share nothing but Kafka and a folder of objects")
    try:
        demo.start("coordinate", "coordinate", *at, "--slots", "6")
        killed = demo.start("render-1", *renders)
        demo.start("render-2", *renders)
        say("\n3  the campaign is submitted; finals will lie in the tenant's folder")
        demo.run(
            *("jobs", "submit", str(folder / "template.yaml"), *at, "--no-wait"),
            *("--deliver-to", str(folder / "finals" / "default")),
        )
        follow(demo, killed, renders)
    finally:
        demo.stop()
    say("\n4  what came out")
    demo.run("jobs", "show", demo.job, "--objects", str(folder / "objects"))
    demo.run("jobs", "cost", demo.job, "--objects", str(folder / "objects"))
    prove(demo, folder)
    demo.run(
        *("jobs", "open", demo.job, "--objects", str(folder / "objects")),
        *("--html", str(folder / "contact-sheet.html")),
    )


def follow(demo: Demo, killed: subprocess.Popen[bytes], renders: Sequence[str]) -> None:
    """Tell what becomes of it, and kill a renderer on the way."""
    line = ""
    for status in demo.followed():
        done = status["cost"]["tasks_computed"]
        if killed.poll() is None and done >= KILLED_AFTER:
            killed.kill()
            killed.wait()
            say(f"  kill -9 {killed.pid}: the first renderer is gone, with the part that it had in work.")
            say("  Kafka notices in ten seconds and gives that part to others; what was done stays done.")
            demo.start("render-3", *renders)
        at_work = ", ".join(f"{each['name']} {each['in_work']}" for each in status["stages"] if each["in_work"])
        films = f"  {status['done']} of {status['variants']} films done, {done} parts; at work: {at_work or 'nothing'}"
        if films != line:
            say(films)
            line = films
    if killed.poll() is None:
        say("  Everything was known already, so there was no work to kill a renderer at; a new FOLDER has some.")


def made_key(folder: Path) -> Path:
    """What signs manifests, in a file of its owner alone; the public half lies beside it."""
    private, public = folder / "manifest-key.pem", folder / "manifest-key.pub"
    if not private.exists():
        key = Ed25519PrivateKey.generate()
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private


def prove(demo: Demo, folder: Path) -> None:
    """Every manifest is checked: its signature, and the bytes of all that it names."""
    key = load_pem_public_key((folder / "manifest-key.pub").read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    manifests = sorted((folder / "finals" / "default" / demo.job).glob("*/manifest.json"))
    for manifest in manifests:
        if not verify_delivery(manifest.read_bytes(), key, manifest.parent).holds:
            raise SystemExit(f"{manifest} does not hold")
    say(f"  {len(manifests)} manifests: the key signed each of them, and every file has the bytes that it names.")
    if manifests:
        demo.run("jobs", "verify", str(manifests[0]), "--key", str(folder / "manifest-key.pub"))


def main() -> None:
    (folder,) = map(Path, sys.argv[1:])
    say("1  a Kafka of its own starts")
    try:
        with kafka(folder.resolve()) as servers:
            say(f"  kafka://{servers}")
            campaign(folder.resolve(), servers)
    except StageError as error:
        raise SystemExit(f"{error.message} [{error.code}]") from None
    say(f"\nFinals and manifests: {folder / 'finals'}. The contact sheet: {folder / 'contact-sheet.html'}")


if __name__ == "__main__":
    main()
