"""What a decoder tries that a hostile file took over, for tests of the sandbox. Loaded by name inside the child.

The source is no footage but JSON that says where to try: `folder`, `parent`. What became of it is the error's message.
"""

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.protocol import Inspection, Source
from stream.errors import BadMedia
from stream.events.asset import SpanPlanned
from stream.events.frames import Frames

PTRACE_ATTACH = 16
CLONE_PARENT_AND_SIGCHLD = 0x8000 | signal.SIGCHLD
CALLS = {
    "x86_64": {"ptrace": 101, "mount": 165, "clone": 56, "vm_readv": 310, "bpf": 321, "io_uring": 425, "unshare": 272},
    "aarch64": {"ptrace": 117, "mount": 40, "clone": 220, "vm_readv": 270, "bpf": 280, "io_uring": 425, "unshare": 97},
}


class Hostile:
    def inspect(self, source: Source) -> Inspection:
        targets = json.loads(source.read())
        outcomes = {name: _outcome(attempt) for name, attempt in attempts(targets).items()}
        raise BadMedia(json.dumps(outcomes), code="tried")

    def decode(self, source: Source, span: SpanPlanned) -> Iterator[Frames]:
        raise NotImplementedError


def attempts(targets: dict[str, str]) -> dict[str, Callable[[], object]]:
    folder, parent = Path(targets["folder"]), int(targets["parent"])
    more = {"env": lambda: [name for name in os.environ if "SECRET" in name] and None}
    return more | _on_files(folder, parent) | _on_network(folder) | _on_processes(parent) | _on_limits(parent)


def _on_files(folder: Path, parent: int) -> dict[str, Callable[[], object]]:
    return {
        "read_beside": (folder / "secret.txt").read_text,
        "read_passwd": lambda: Path("/etc/passwd").read_text(),
        "read_env_of_parent": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "read_memory_of_parent": lambda: Path(f"/proc/{parent}/mem").open("rb").close(),
        "list": lambda: list(folder.iterdir()),
        "write_beside": lambda: (folder / "written").write_text("x"),
        "write_tmp": lambda: Path("/tmp/rushes-hostile").write_text("x"),
        "write_home": lambda: Path("/root/rushes-hostile").write_text("x"),
        "write_here": lambda: Path("rushes-hostile").write_text("x"),
        "append": lambda: os.open(folder / "secret.txt", os.O_WRONLY | os.O_APPEND),
        "unlink": (folder / "secret.txt").unlink,
        "rename": lambda: (folder / "secret.txt").rename(folder / "renamed"),
        "mkdir": (folder / "made").mkdir,
        "link": lambda: (folder / "linked").symlink_to("/etc"),
        "chmod_source": lambda: _to_source(lambda fd: os.fchmod(fd, 0o777)),
        "write_source": lambda: _to_source(lambda fd: os.pwrite(fd, b"x", 0)),
        "lock_source": lambda: _to_source(lambda fd: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)),
        "shrink_slab": lambda: os.ftruncate(int(sys.argv[-1]), 0),
        "memfd": lambda: os.memfd_create("x"),
    }


def _on_network(folder: Path) -> dict[str, Callable[[], object]]:
    def connect_unix() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(folder / "daemon.sock"))

    return {
        "inet": lambda: socket.socket(socket.AF_INET),
        "inet6": lambda: socket.socket(socket.AF_INET6),
        "datagrams": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "unix": connect_unix,
        "reconnect": lambda: socket.socket(fileno=os.dup(int(sys.argv[3]))).connect(str(folder / "daemon.sock")),
    }


def _on_processes(parent: int) -> dict[str, Callable[[], object]]:
    return {
        "fork": _fork,
        "spawn": lambda: subprocess.run(["/bin/true"], check=True),
        "clone": lambda: _call("clone", CLONE_PARENT_AND_SIGCHLD, 0, 0, 0, 0),
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "signal_parent": lambda: os.kill(parent, 0),
        "signal_group": lambda: os.kill(0, 0),
        "signal_all": lambda: os.kill(-1, signal.SIGURG),
        "ptrace": lambda: _call("ptrace", PTRACE_ATTACH, parent, 0, 0),
        "vm_readv": lambda: _call("vm_readv", parent, 0, 0, 0, 0, 0),
        "pidfd": lambda: os.pidfd_open(parent),
        "new_session": os.setsid,
        "mount": lambda: _call("mount", 0, b"/", 0, 0x1000, 0),
        "unshare": lambda: _call("unshare", 0x10000000),
        "bpf": lambda: _call("bpf", 0, 0, 0),
        "io_uring": lambda: _call("io_uring", 1, 0),
        "chroot": lambda: os.chroot("/"),
        "root": lambda: os.setuid(0),
    }


def _on_limits(parent: int) -> dict[str, Callable[[], object]]:
    unbound = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    return {
        "more_files": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)),
        "more_cpu": lambda: resource.setrlimit(resource.RLIMIT_CPU, unbound),
        "more_memory": lambda: resource.setrlimit(resource.RLIMIT_AS, unbound),
        "large_files": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, unbound),
        "core": lambda: resource.setrlimit(resource.RLIMIT_CORE, unbound),
        "limit_parent": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE, (8, 8)),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, parent, 19),
    }


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        found = attempt()
    except OSError as error:
        return type(error).__name__
    except ValueError as error:  # what `resource` makes of EPERM
        return "PermissionError" if "not allowed" in str(error) else "ValueError"
    return "nothing" if found is None or found == [] else "done"


def _to_source(act: Callable[[int], object]) -> str:
    """To what is open of it; something is."""
    found = [fd for fd in range(3, 64) if _is_source(fd)]
    assert found
    for fd in found:
        act(fd)
    return "done"


def _is_source(fd: int) -> bool:
    try:
        return os.pread(fd, 1, 0) == b"{"
    except OSError:
        return False


def _fork() -> str:
    if os.fork() == 0:
        os._exit(0)
    return "forked"


def _call(name: str, *arguments: int | bytes) -> str:
    library = ctypes.CDLL(None, use_errno=True)
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    if library.syscall(ctypes.c_long(CALLS[os.uname().machine][name]), *passed) < 0:
        raise OSError(ctypes.get_errno(), name)
    return "done"


class _Prepared:
    """The real decoder."""

    def __init__(self) -> None:
        self._decoder = PyAVDecoder()

    def inspect(self, source: Source) -> Inspection:
        return self._decoder.inspect(source)

    def decode(self, source: Source, span: SpanPlanned) -> Iterator[Frames]:
        return self._decoder.decode(source, span)


class Threaded(_Prepared):
    """Has a thread before it is confined: Landlock cannot hold for it."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=threading.Event().wait, daemon=True).start()

    def inspect(self, source: Source) -> Inspection:
        outcomes = {path: _outcome(Path(path).read_bytes) for path in ("/etc/passwd", os.__file__)}
        if set(outcomes.values()) != {"PermissionError"}:
            raise BadMedia(json.dumps(outcomes), code="opened")
        return super().inspect(source)


class Parental(_Prepared):
    """Leaves a process behind before it is confined, that ignores what can be ignored."""

    def __init__(self) -> None:
        super().__init__()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            threading.Event().wait()
