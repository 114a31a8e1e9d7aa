"""Renders a search result as one HTML page: no script, no request, thumbnails inline."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stream.search.hit import Hit


def contact_sheet(hits: Sequence[Hit], *, query: str, space: str, note: str) -> str:
    """HTML text. All values are escaped and printable, because labels and names come from producers."""
    # Jinja is imported only for a page.
    from stream.service.page.templates import environment

    template = environment(Path(__file__).parent).get_template("contact_sheet.html.j2")
    return template.render(query=query, space=space, note=note, cards=[_card(hit) for hit in hits])


def _card(hit: Hit) -> dict[str, Any]:
    return {
        "hit": hit,
        "thumbnail": base64.b64encode(hit.thumbnail).decode(),
        "score": "text" if hit.score is None else f"{hit.score:.2f}",
        # A negative cosine has no bar.
        "percent": 0 if hit.score is None else round(max(0.0, min(1.0, hit.score)) * 100),
        "seconds": (hit.end_ns - hit.start_ns) / 1e9,
    }
