"""What `rushes doctor` says, line by line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, whether it is well, and what to do when not. Without what is not `needed` a run
    works all the same.
    """

    name: str
    good: bool
    found: str
    advice: str = ""
    needed: bool = True
