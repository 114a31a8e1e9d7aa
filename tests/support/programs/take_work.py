"""Takes work as `rushes service-work` does, and notes it in a file. Ends `before` or `within` the first, or never."""

import json
import os
import sys
from pathlib import Path

from stream.sessions.background import WorkReport


def main(end: str, notes: Path) -> None:
    print("a library prints this", flush=True)
    for line in sys.stdin:
        item = json.loads(line)
        first = not notes.exists()
        with notes.open("a") as file:
            file.write(" ".join(item["letter_ids"]) + "\n")
        if first and end == "before":
            os._exit(1)
        print(WorkReport(item_id=item["item_id"], state="begun").model_dump_json(), flush=True)
        if first and end == "within":
            os._exit(1)
        print(WorkReport(item_id=item["item_id"], state="done").model_dump_json(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
