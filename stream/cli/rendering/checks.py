"""The lines of `rushes doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was checked, whether it is good, and what to do if not. A run works without a check that is not
    `needed`.
    """

    name: str
    good: bool
    found: str
    advice: str = ""
    needed: bool = True
