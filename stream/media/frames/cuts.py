"""Whether a new shot begins between two neighbours. It looks at these two alone, so every part finds the same cuts.

A cut is where motion explains nothing: what the one picture shows is nowhere in the other. On footage with known cuts
it finds those that TransNet V2 finds, and neither dissolves nor fades, across which motion may be followed.
"""

import numpy as np

from stream.media.frames.motion import Greys, fetched, motion

SIDE = 160
"""Cuts are looked for in pictures of this length (`motion.grey`)."""
_LEFT_OVER = 8.0
"""Grey levels of mean difference that are left after motion. In darker pictures a cut is not seen."""
_SEEN = 0.3
"""Share of pixels that have a match."""


def is_cut(earlier: Greys, later: Greys) -> bool:
    if float(np.abs(earlier.astype(np.int16) - later).mean()) < _LEFT_OVER:
        return False
    found = motion(earlier, later)
    if max(float(found.seen_ahead.mean()), float(found.seen_back.mean())) > _SEEN:
        return False
    ahead = float(np.abs(fetched(later, found.ahead) - earlier).mean())
    back = float(np.abs(fetched(earlier, found.back) - later).mean())
    return min(ahead, back) >= _LEFT_OVER
