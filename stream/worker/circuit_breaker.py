"""Decides when unexpected errors are the stage's own fault and no longer that of its records. Pure."""

from collections import deque

Asset = tuple[str, str]


class CircuitBreaker:
    """Looks at the last `window` records. It opens when more than `share` of at least `min_records` failed unexpectedly
    and the failures come from at least two assets. A single faulty asset never stops a stage.
    """

    def __init__(self, *, share: float = 0.2, min_records: int = 20, window: int = 100) -> None:
        self._share = share
        self._min_records = min_records
        self._window: deque[Asset | None] = deque(maxlen=window)

    def succeeded(self, records: int = 1) -> None:
        """Records that are done, or refused for a known fault of their own."""
        self._window.append(None)
        if records > 1:
            self._window.extend([None] * (records - 1))

    def failed(self, asset: Asset) -> bool:
        """Count an unexpected error. Returns whether the limit is now exceeded."""
        self._window.append(asset)
        failures = [it for it in self._window if it is not None]
        return (
            len(self._window) >= self._min_records
            and len(failures) > self._share * len(self._window)
            and len(set(failures)) > 1
        )
