"""Where the register of access is kept, as those who ask it see it."""

from typing import Protocol

from stream.access.records import ApiKey, Grant, Team
from stream.access.register import AccessRegister


class AccessStore(Protocol):
    """Thread-safe."""

    def register(self) -> AccessRegister:
        """As it is now. Raises where it cannot be read: then nobody may do anything."""

    def put(self, record: Team | Grant | ApiKey) -> None:
        """In place of what has its key; durable when this returns."""

    def exchange(self, old: Team | Grant | ApiKey, new: Team | Grant | ApiKey) -> bool:
        """Put `new`, which has the same key, in place of `old`; whether `old` was there: else nothing is changed."""

    def take(self, key: str) -> bool:
        """Take a record away; whether there was one."""

    def pepper(self) -> bytes:
        """What keys are digested with."""
