"""The contact sheet of a job as one HTML page: no script, no request, posters inline."""

import base64
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

POSTER_SIDE = 440


def job_sheet(job: Mapping[str, Any], cards: Iterable[Mapping[str, Any]]) -> str:
    """HTML text. `cards`: name, state, message and poster of each variant. All values are escaped."""
    from stream.service.page.templates import environment

    return environment(Path(__file__).parent).get_template("job_sheet.html.j2").render(job=job, cards=list(cards))


def poster(path: Path) -> str:
    """A picture made small, as base64 of a JPEG. It is one of our own finals."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
        small.thumbnail((POSTER_SIDE, POSTER_SIDE))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=85)
    return base64.b64encode(out.getvalue()).decode()
