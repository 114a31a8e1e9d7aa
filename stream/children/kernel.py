"""System calls that the standard library does not have. Linux only."""

import ctypes
import os

SET_PDEATHSIG, SET_NAME, SET_NO_NEW_PRIVS, GET_NO_NEW_PRIVS = 1, 15, 38, 39
"""Options of prctl(2)."""


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Makes a system call and returns its result. Raises `OSError` when it fails."""
    library = ctypes.CDLL(None, use_errno=True)
    # Varargs have no types for ctypes: a plain int would be passed with 32 bits.
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(library.syscall(ctypes.c_long(number), *passed))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def prctl(option: int, argument: int = 0) -> int:
    """Calls prctl(2) and returns its result. Raises `OSError` when it fails."""
    library = ctypes.CDLL(None, use_errno=True)
    result = int(library.prctl(option, *(ctypes.c_ulong(each) for each in (argument, 0, 0, 0))))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
