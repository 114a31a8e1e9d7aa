"""Says, before anything is downloaded, what will be and how much disk it takes. Standard library only."""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPENDENCIES_DOWNLOAD_MB = 3580
DEPENDENCIES_DISK_MB = 8200
WEIGHTS_DOWNLOAD_MB = 260
WEIGHTS_DISK_MB = 270


def main() -> int:
    """Returns 1 when the disk cannot hold what is still to come."""
    if (ROOT / ".venv" / ".installed").exists():
        return 0
    free_mb = shutil.disk_usage(ROOT).free // 1_000_000
    needed_mb = DEPENDENCIES_DISK_MB + WEIGHTS_DISK_MB
    print(
        "rushes will now, once,\n"
        f"  1. create .venv here and install the pinned dependencies "
        f"(about {DEPENDENCIES_DOWNLOAD_MB / 1000:.1f} GB to download, {DEPENDENCIES_DISK_MB / 1000:.1f} GB on disk:"
        " PyTorch brings its CUDA libraries),\n"
        f"  2. fetch model weights and sample clips by pinned digest into your user cache "
        f"(about {WEIGHTS_DOWNLOAD_MB} MB).\n"
        f"  Disk needed: {needed_mb / 1000:.1f} GB; free here: {free_mb / 1000:.1f} GB.",
        flush=True,
    )
    if free_mb < needed_mb:
        print(f"Not enough disk: free {(needed_mb - free_mb) / 1000:.1f} GB first, then run again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
