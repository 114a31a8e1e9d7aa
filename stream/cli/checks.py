"""What `rushes doctor` says, line by line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, whether it is well, and what to do when not."""

    name: str
    good: bool
    found: str
    advice: str = ""
