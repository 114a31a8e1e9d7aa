"""What the tables of the index are called."""

import re

ASSETS, SEGMENTS, SPACES = "assets", "segments", "spaces"


def moments_table(space_key: str) -> str:
    """Names of spaces come from models; what no table may be called becomes `-` (the digest keeps names apart)."""
    return "moments_" + re.sub(r"[^A-Za-z0-9_.-]", "-", space_key)
