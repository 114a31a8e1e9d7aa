"""A hook of MkDocs: puts every decision into the navigation, so that a new one needs no line there."""

from typing import Any

from deploy.documents.decisions import decision_files, title

SECTION = "Decisions"


def on_config(config: Any) -> Any:
    """Called once by MkDocs, before it reads the navigation."""
    section = next(it[SECTION] for it in config["nav"] if SECTION in it)
    section += [{" ".join(title(path)): f"adr/{path.name}"} for path in decision_files()]
    return config
