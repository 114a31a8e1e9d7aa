"""Landlock: this thread and its children may only read, and write, under some folders. Linux 5.13 and newer."""

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from stream.children.kernel import system_call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH = 1
# Executing is not in it: a child starts no programs.
_READ_FILE = 1 << 2
_READ = _READ_FILE | 1 << 3  # files and folders
# Write and remove files, make and remove folders and files; no devices, sockets, pipes or links.
_WRITE = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8
_TRUNCATE = {3: 1 << 14}
"""Only since this version is it a right of its own."""
_FILE_SYSTEM = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All file-system rights of an ABI version, by the first version that has them."""
_NETWORK = {4: 0b11}
_SCOPE = {6: 0b11}
"""Abstract sockets of, and signals to, processes outside this restriction."""


def restrict(reading: Iterable[str], writing: Iterable[str] = ()) -> None:
    """From now on this thread can open only these folders and their contents: the first ones to read, the others to
    read and to write files in them. What is to be read may be a file too. Open descriptors stay open.

    `no_new_privs` must be set. Raises `OSError` where the kernel has no Landlock or it is switched off.
    """
    version = system_call(_CREATE_RULESET, None, 0, _VERSION)
    rights = struct.pack("=QQQ", *(_known(table, version) for table in (_FILE_SYSTEM, _NETWORK, _SCOPE)))
    # The kernel's struct has one field up to ABI version 3, two from version 4 and three from version 6.
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = system_call(_CREATE_RULESET, rights, size, 0)
    try:
        for folder in reading:
            # The kernel takes no right of folders for a file.
            _allow(ruleset, folder, _READ if Path(folder).is_dir() else _READ_FILE)
        for folder in writing:
            _allow(ruleset, folder, _READ | _WRITE | _known(_TRUNCATE, version))
        system_call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _known(table: dict[int, int], version: int) -> int:
    # Rights that the kernel does not know would make the call fail, so the newest set that it knows is taken.
    return max((rights for first, rights in table.items() if first <= version), default=0)


def _allow(ruleset: int, folder: str, rights: int) -> None:
    # `O_PATH` names the folder without opening its contents.
    parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        system_call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, parent), 0)
    finally:
        os.close(parent)
