"""Submit the template of a folder and work until the job ends: for tests that kill it."""

import sys
from pathlib import Path

from tests.integration.test_jobs import run, settings_in

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print("begun", flush=True)
    run(folder, settings_in(folder), deliver_to=folder / "out")
