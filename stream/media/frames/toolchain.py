"""What decides the bytes beside settings and networks."""

import av
import numpy as np


def libraries() -> dict[str, str]:
    return {"av": av.__version__, "ffmpeg": av.ffmpeg_version_info, "numpy": np.__version__, "threads": "1"}
