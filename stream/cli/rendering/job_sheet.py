"""Pictures of variants as one HTML page: no script, no request, pictures inline."""

import base64
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stream.cli.rendering.job_costs import total

POSTER_SIDE = 440


def job_sheet(job: Mapping[str, Any], cards: Iterable[Mapping[str, Any]]) -> str:
    """Of a job at work or done."""
    cost = job["cost"]
    facts = [job["state"], f"{job['done']} of {job['variants']} variants done"]
    facts += [f"{job['failed']} failed"] if job["failed"] else []
    facts += [each for each in (f"{cost['cpu_s']:.1f} CPU seconds", total(cost)) if each]
    return sheet(job["job"], " · ".join(facts), cards)


def sheet(title: str, about: str, cards: Iterable[Mapping[str, Any]]) -> str:
    """HTML text. `cards`: name, state, message and poster of each variant. All values are escaped."""
    from stream.service.page.templates import environment

    page = environment(Path(__file__).parent).get_template("job_sheet.html.j2")
    return page.render(title=title, about=about, cards=list(cards))


def poster(path: Path) -> str:
    """A picture made small, as base64 of a JPEG. It is one that an operator of ours drew."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
        small.thumbnail((POSTER_SIDE, POSTER_SIDE))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=85)
    return base64.b64encode(out.getvalue()).decode()
