"""Does a piece of work of a media operator in a process of its own, and prints the most memory that it had, in KiB.

Arguments: the operator's name in the registry, the folder of its inputs, a folder to work in, the settings as JSON.
"""

import json
import re
import sys
from pathlib import Path

from tests.support.media_examples import make, operator_beside, work


def main() -> None:
    name, inputs, folder, settings = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
    operator = operator_beside(name, inputs)
    files = {path.stem: path for path in sorted(inputs.iterdir())}
    make(operator, work(operator, settings, files, folder))
    # Not `getrusage`, which begins with what the process had that started this one.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    print(found[1])


if __name__ == "__main__":
    main()
