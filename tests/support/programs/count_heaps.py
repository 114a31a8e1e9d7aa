"""Prints what glibc says of its heaps once many threads have used memory at once (`malloc_info`).

Argument: `shared` to keep them few, anything else to leave the allocator as it is.
"""

import ctypes
import sys
import threading

from stream.runtime.malloc import share_heaps

THREADS = 8


def main() -> None:
    if sys.argv[1] == "shared":
        share_heaps()
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.fopen.restype = ctypes.c_void_p
    together = threading.Barrier(THREADS)

    def use() -> None:
        together.wait()
        libc.malloc(ctypes.c_size_t(1 << 16))
        together.wait()

    threads = [threading.Thread(target=use) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
    libc.malloc_info(0, output)
    libc.fflush(output)


if __name__ == "__main__":
    main()
