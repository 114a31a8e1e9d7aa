"""Does the example work of a media operator in a process of its own, and prints the digest of each output.

Arguments: the operator's name in the registry, the folder of its inputs, a folder to work in.
"""

import hashlib
import sys
from pathlib import Path

from tests.support.media_examples import EXAMPLES, made, operator_beside, work


def main() -> None:
    name, inputs, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    operator = operator_beside(name, inputs)
    files = {path.stem: path for path in sorted(inputs.iterdir())}
    task = work(operator, EXAMPLES[name].settings, files, folder)
    for output, data in made(operator, task, backwards=True).items():
        print(output, hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
