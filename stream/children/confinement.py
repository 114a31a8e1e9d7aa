"""What a child may do on this machine after its start: compute, use the descriptors that it was given, and, where its
work needs that, read and write in folders of its own.

This also holds for a child that a hostile file took over: the kernel refuses, not our code (ADR 0038).
"""

import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stream.children.kernel import GET_NO_NEW_PRIVS, SET_NAME, SET_NO_NEW_PRIVS, SET_PDEATHSIG, prctl, system_call
from stream.children.landlock import restrict

ALLOWED_ENVIRONMENT = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPYCACHEPREFIX",
    "PYTHONUTF8",
)
_ONE_THREAD = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Keeps libraries from starting threads: Landlock restricts only the thread that asks for it and that thread's
children.
"""
MEASURES = ("environment", "no new privileges", "limits", "processes", "network", "file system")
_FOR_GOOD = (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_CLONE_THREAD = 0x10000
_WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND | (getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY)
_TERMINAL, _NONBLOCKING, _CLOSE_ON_EXEC = 0x5401, 0x5421, 0x5451  # the ioctl requests that Python makes
_DESCRIPTOR_COMMANDS = (
    fcntl.F_DUPFD,
    fcntl.F_DUPFD_CLOEXEC,
    fcntl.F_GETFD,
    fcntl.F_SETFD,
    fcntl.F_GETFL,
    fcntl.F_SETFL,
)
_LOW = 0xFFFF_FFFF

_WRITING_CALLS = """
unlink unlinkat mkdir mkdirat rmdir rename renameat renameat2 ftruncate fallocate fsync fdatasync pwrite64 pwritev umask
statfs fstatfs sched_setaffinity getpriority
"""
"""For children that write files: Landlock says where."""
_CALLS = """
read readv pread64 preadv write writev lseek close dup dup3 fstat poll ppoll select pselect6 pipe2 eventfd2
recvfrom recvmsg sendto sendmsg shutdown getsockname getpeername getsockopt
mmap munmap mprotect mremap madvise brk futex sched_yield sched_getaffinity getcpu rseq membarrier
set_robust_list get_robust_list set_tid_address arch_prctl restart_syscall exit exit_group
rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday
time times getrandom getpid getppid gettid getuid geteuid getgid getegid getrusage getrlimit uname sysinfo
stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getcwd getdents64
"""
"""System calls without conditions; `_filter` adds some with conditions. Some exist on one architecture only."""


def environment(of: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that a child gets: none that could be secret."""
    return {name: of[name] for name in ALLOWED_ENVIRONMENT if name in of} | _ONE_THREAD


def die_with(parent: int) -> None:
    """Makes the kernel end this process with the thread that started it. Linux only; elsewhere the lifeline does it."""
    if sys.platform == "linux":
        prctl(SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have ended before prctl(2) took effect; then no signal comes any more.
        if os.getppid() != parent:
            os._exit(0)


def die_with_lifeline(lifeline_fd: int) -> None:
    """Ends this process when the parent ends. The parent holds the other end and never writes, so the read returns only
    when the parent is gone, for any reason.
    """
    os.read(lifeline_fd, 1)
    # Not `sys.exit`: it would only end this thread.
    os._exit(0)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a child keeps. `memory_bytes`: address space beyond that of interpreter and libraries. `package`: its code
    stays readable for later imports. `reads` and `writes`: folders besides; without `writes` it opens no file to write
    and makes none. No file of it exceeds `file_bytes`.
    """

    memory_bytes: int
    package: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    file_bytes: int = 0
    files: int = 64


def confine(rights: Rights) -> dict[str, bool]:
    """Drops every other right, for good. Returns which of `MEASURES` hold, each by a real attempt.

    Call it after all imports and before there is another thread.
    """
    # Limits first: afterwards the filter refuses the calls that set them.
    _limit(rights)
    reading = _restrict_folders(rights)
    _load_filter(rights, reading=reading)
    return _held()


def _limit(rights: Rights) -> None:
    """Sets soft and hard limits."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        _set_limit(resource.RLIMIT_AS, used + rights.memory_bytes)
    # A crash by a hostile file must not leave gigabytes of core dump.
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_FSIZE, rights.file_bytes)
    _set_limit(resource.RLIMIT_NOFILE, rights.files)


def _set_limit(what: int, most: int) -> None:
    # Never above an inherited hard limit: only a privileged process could raise that.
    _, hard = resource.getrlimit(what)
    within = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (within, within))


def _restrict_folders(rights: Rights) -> bool:
    """Restricts reading to code and what is allowed. Returns whether Landlock holds for the whole process."""
    if sys.platform != "linux":
        return False
    try:
        # Without it, the kernel takes no Landlock rules and no filter from an unprivileged process.
        prctl(SET_NO_NEW_PRIVS, 1)
        if len(list(Path("/proc/self/task").iterdir())) > 1:  # Landlock would not restrict the other thread
            return False
        restrict({*_code_folders(rights.package), *rights.reads}, rights.writes)
    except OSError:
        return False
    return True


def _code_folders(package: str) -> set[str]:
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    installed |= {entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages", "lib-dynload"}}
    names = {"decoders", "stream", package} & sys.modules.keys()
    ours = {folder for name in names for folder in getattr(sys.modules[name], "__path__", ())}
    return {folder for folder in installed | ours if Path(folder).is_dir()}


def _load_filter(rights: Rights, *, reading: bool) -> None:
    """Loads the seccomp filter: a system call that is not in the list fails with EPERM, in every thread. The list has
    opening files only where Landlock limits which ones.
    """
    from seccompy import UnsupportedError, syscall_nr

    with suppress(OSError, UnsupportedError):  # `_held` tests whether the filter works
        program = _filter(reading=reading, writing=bool(rights.writes))
        instructions = struct.pack("HP", len(program) // 8, ctypes.addressof(program))
        prctl(SET_NO_NEW_PRIVS, 1)
        system_call(syscall_nr("seccomp"), _SET_MODE_FILTER, _ALL_THREADS, instructions)


def _filter(*, reading: bool, writing: bool) -> "ctypes.Array[ctypes.c_char]":
    from seccompy import Action, ArgCmp, CmpOp, Filter, syscall_nr

    def is_(index: int, value: int, mask: int = _LOW) -> list[ArgCmp]:
        return [ArgCmp(index, CmpOp.MASKED_EQ, value, mask)]

    # EPERM and not a kill: libraries try optional calls and go on without them.
    made = Filter(default=int(Action.ERRNO) | errno.EPERM)
    for call in (_CALLS + _WRITING_CALLS if writing else _CALLS).split():
        try:
            made.allow(syscall_nr(call))
        except ValueError:
            continue  # this architecture does not have the call
    made.errno("clone3", errno.ENOSYS)  # a filter cannot read its flags in memory; the C library then uses clone
    made.allow("clone", args=is_(0, _CLONE_THREAD, _CLONE_THREAD))
    made.allow("prlimit64", args=[ArgCmp(2, CmpOp.EQ, 0)])  # a null new limit: reads, does not set
    made.allow("prctl", args=is_(0, SET_NAME))
    made.allow("prctl", args=is_(0, GET_NO_NEW_PRIVS))
    # A child may only signal itself, as `abort` does.
    for call in ("kill", "tgkill"):
        made.allow(call, args=is_(0, os.getpid()))
    for request in (_TERMINAL, _NONBLOCKING, _CLOSE_ON_EXEC):
        made.allow("ioctl", args=is_(1, request))
    for command in _DESCRIPTOR_COMMANDS:
        made.allow("fcntl", args=is_(1, command))
    # Only to read, although Landlock refuses writing as well: two independent walls.
    if writing:
        made.allow("openat")
    elif reading:
        made.allow("openat", args=is_(2, 0, _WRITING))
    return ctypes.create_string_buffer(made.program, len(made.program))


def _held() -> dict[str, bool]:
    """Tries each measure: it holds when the kernel refuses."""
    tries: dict[str, Callable[[], bool]] = {
        "environment": lambda: set(os.environ) <= {*ALLOWED_ENVIRONMENT, *_ONE_THREAD},
        "no new privileges": lambda: sys.platform == "linux" and prctl(GET_NO_NEW_PRIVS) == 1,
        "limits": lambda: all(map(_is_for_good, _FOR_GOOD)),
        "processes": lambda: _refused(_fork) and _refused(lambda: os.kill(os.getppid(), 0)),
        "network": lambda: _refused(lambda: socket.socket(socket.AF_INET)) and _refused(socket.socketpair),
        "file system": lambda: _refused(lambda: os.open("/", os.O_RDONLY)) and _refused(_write),
    }
    return {name: tries[name]() for name in MEASURES}


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (PermissionError, ValueError):  # `resource` turns EPERM into ValueError
        return True
    except OSError:
        return False
    return False


def _is_for_good(limit: int) -> bool:
    soft, hard = resource.getrlimit(limit)
    return soft == hard and _refused(lambda: resource.setrlimit(limit, (hard, hard + 1)))


def _fork() -> None:
    pid = os.fork()
    # Where the kernel does not refuse the fork, the new process must end at once.
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _write() -> None:
    os.close(os.open("/dev/null", os.O_WRONLY))
