"""What an exporter shows, for the page of freshness."""

import logging

import httpx

from stream.freshness.exported import snapshot_of
from stream.freshness.snapshot import Snapshot
from stream.topology.topology import Topology

_TIMEOUT_S = 2.0
_MOST_BYTES = 4 << 20
_log = logging.getLogger(__name__)


class ExporterClient:
    """Of the exporter at `url`, the address of its `/metrics`, which the operator of the service names."""

    def __init__(self, url: str, topology: Topology) -> None:
        self._url = url
        self._topology = topology
        self._client = httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False)

    def snapshot(self) -> Snapshot | None:
        """None where it does not answer, or observes nothing now."""
        try:
            return snapshot_of(self._read(), self._topology)
        except (httpx.HTTPError, ValueError) as error:
            _log.warning("the exporter cannot be read: %s", type(error).__name__)
            return None

    def close(self) -> None:
        self._client.close()

    def _read(self) -> str:
        body = bytearray()
        with self._client.stream("GET", self._url) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise ValueError("too long")
        return body.decode()
