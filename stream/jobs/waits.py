"""What holds a job up, in words, and how much of it somebody is at: by its status and the time (pure)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from stream.jobs.reports import is_final

SILENT_MS = 120_000
"""Workers tell of long work once a minute."""
_LEFT = "no process works on it: it goes on with the command that submitted it"


def held_up(job: Mapping[str, Any], now_ms: int) -> list[str]:
    """What a job waits for: nothing, as long as its work is heard of."""
    if job["state"] in {"paused", "budget_exhausted"}:
        return [job["message"] or "`rushes jobs resume` lets it go on"]
    if job["state"] != "running":
        return []
    told = [
        f"nothing was heard of {stage['name']} since {_time(stage['heard_ms'])}: renderers do other work, or none is"
        " there that can do it"
        for stage in job["stages"]
        if _is_silent(stage, now_ms)
    ]
    if awaiting := job.get("awaiting"):
        waiting = "1 variant waits until its" if awaiting == 1 else f"{awaiting} variants wait until their"
        told.append(f"{waiting} finals are understood")
    if crowded := job.get("held_up"):
        told.append(crowded)
    return told


def at_work(stage: Mapping[str, Any], now_ms: int) -> int:
    """Tasks of a stage that are worked on, or were just asked for; none where nothing was heard of them for long."""
    return 0 if _is_silent(stage, now_ms) else int(stage["in_work"])


def left(job: Mapping[str, Any]) -> dict[str, Any]:
    """A status that a process of one machine told before it was killed: nobody is at what was at work then."""
    if is_final(job):
        return dict(job)
    return {**job, "stages": [{**stage, "in_work": 0} for stage in job["stages"]], "held_up": _LEFT}


def _is_silent(stage: Mapping[str, Any], now_ms: int) -> bool:
    # An earlier release told no times.
    return bool(stage["in_work"]) and now_ms - (stage.get("heard_ms") or now_ms) >= SILENT_MS


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
