"""Holds a folder for temporary files, with something in it, until its input ends. Prints the folder."""

import sys
import tempfile

from stream.runtime.temporary_folders import own_scratch

if __name__ == "__main__":
    with own_scratch() as folder:
        (folder / ".tmpIndex").mkdir()
        print(tempfile.gettempdir(), flush=True)
        sys.stdin.read()
