"""Opens a file to read it; the traceback says why it could not."""

import sys
from pathlib import Path

if __name__ == "__main__":
    Path(sys.argv[1]).open("rb").close()
