"""What a target is, and the one that a URI names."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from stream.errors import Fatal

SCHEMES = (
    "ndjson:PATH",
    "parquet:PATH",
    "kafka://HOST:PORT",
    "syslog+tls://HOST:PORT",
    "splunk+https://HOST:PORT",
    "https://HOST/PATH",
)


@dataclass(frozen=True)
class AuditDelivery:
    """Events `first` to `last` of chain `chain_uid`, in their order, and a checkpoint of the trail. `lines` are the
    events in canonical JSON, without an end of line.
    """

    chain_uid: str
    first: int
    last: int
    lines: Sequence[bytes]
    checkpoint: bytes | None = None

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class Target(Protocol):
    def deliver(self, delivery: AuditDelivery) -> None:
        """Returns once the target has taken all of it; it may have had it before. Raises `Unavailable`
        (`siem_unavailable`) where it did not, or not surely.
        """

    def close(self) -> None:
        """Idempotent."""


def target_at(uri: str, environment: Mapping[str, str] = os.environ) -> Target:
    """Secrets come from the environment: `RUSHES_SPLUNK_TOKEN`, and `RUSHES_SIEM_AUTHORIZATION` for HTTP. Raises
    `Fatal` (`invalid_siem_target`).
    """
    from sinks.siem.file_targets import NdjsonFiles, ParquetFiles
    from sinks.siem.http_targets import HttpTarget, SplunkTarget
    from sinks.siem.syslog_target import SyslogTarget

    scheme, _, rest = uri.partition(":")
    if scheme in {"ndjson", "parquet"} and rest and not rest.startswith("//"):
        return (NdjsonFiles if scheme == "ndjson" else ParquetFiles)(Path(rest))
    host, port = _address(uri)
    match scheme:
        case "syslog+tls":
            return SyslogTarget(host, port or 6514, unanswered=_unanswered(uri))
        case "splunk+https" | "splunk+http":
            token = environment.get("RUSHES_SPLUNK_TOKEN", "")
            if not token:
                raise _invalid("set RUSHES_SPLUNK_TOKEN to the token of the HTTP event collector")
            return SplunkTarget(f"{scheme.removeprefix('splunk+')}://{_netloc(uri)}", token)
        case "https" | "http":
            return HttpTarget(uri, environment.get("RUSHES_SIEM_AUTHORIZATION"))
        case _:
            raise _invalid(f"name one of {', '.join(SCHEMES)}")


def _address(uri: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise _invalid(f"name one of {', '.join(SCHEMES)}")
    if "@" in urlsplit(uri).netloc:
        raise _invalid("it holds credentials: give those by the environment")
    if urlsplit(uri).scheme in {"http", "splunk+http"} and host not in {"127.0.0.1", "::1", "localhost"}:
        raise _invalid("events leave this machine over https alone")
    return host, port


def _unanswered(uri: str) -> bool:
    parts = urlsplit(uri)
    if parts.path.strip("/") or parts.fragment or parts.query not in {"", "end=unanswered"}:
        raise _invalid("after the port of syslog stands nothing, or ?end=unanswered")
    return bool(parts.query)


def _netloc(uri: str) -> str:
    return urlsplit(uri).netloc


def _invalid(why: str) -> Fatal:
    return Fatal(f"no target for audit events: {why}", code="invalid_siem_target")
