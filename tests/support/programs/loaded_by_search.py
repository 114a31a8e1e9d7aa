"""Prints as JSON which heavy libraries the list of commands imports, and which modules of ours `search` imports."""

import json
import sys

from stream.cli.app import app
from stream.cli.execution import tree

HEAVY = {"pyarrow", "numpy", "cryptography", "sqlite3"}

if __name__ == "__main__":
    before = sorted({name.partition(".")[0] for name in sys.modules} & HEAVY)
    tree(app).commands["search"]
    print(json.dumps([before, sorted(name for name in sys.modules if name.startswith("stream."))]))
