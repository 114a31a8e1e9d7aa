"""Targets over HTTP: Splunk's event collector with indexer acknowledgement, and any endpoint that takes NDJSON."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from sinks.siem.connection_faults import fault_of
from sinks.siem.target import AuditDelivery
from stream.clock import Clock, SystemClock
from stream.errors import Unavailable

_TIMEOUT_S = 10.0
_ACKNOWLEDGED_S, _LOOK_S = 60.0, 0.5


class HttpTarget:
    """Posts a delivery as `application/x-ndjson`. An answer of 2xx is an acknowledgement. `Idempotency-Key` is the same
    whenever the same events are sent again; the checkpoint is the last line, as `{"checkpoint": …}`.
    """

    def __init__(self, url: str, authorization: str | None = None) -> None:
        self._url = url
        headers = {"authorization": authorization} if authorization else {}
        self._client = httpx.Client(timeout=_TIMEOUT_S, headers=headers, follow_redirects=False)

    def deliver(self, delivery: AuditDelivery) -> None:
        lines = [*delivery.lines]
        if delivery.checkpoint is not None:
            lines.append(json.dumps({"checkpoint": delivery.checkpoint.decode()}).encode())
        headers = {
            "content-type": "application/x-ndjson",
            "idempotency-key": f"{delivery.chain_uid}/{delivery.first}-{delivery.last}",
        }
        _answered(lambda: self._client.post(self._url, content=b"\n".join(lines) + b"\n", headers=headers), self._url)

    def close(self) -> None:
        self._client.close()


class SplunkTarget:
    """Splunk has taken a delivery when its indexer says so: an answer of 200 alone does not mean that it is stored.
    The token has to have indexer acknowledgement on.
    """

    def __init__(
        self,
        url: str,
        token: str,
        clock: Clock | None = None,
        *,
        acknowledged_s: float = _ACKNOWLEDGED_S,
    ) -> None:
        self._url = url
        self._acknowledged_s = acknowledged_s
        self._clock = clock or SystemClock()
        headers = {"authorization": f"Splunk {token}", "x-splunk-request-channel": str(uuid4())}
        self._client = httpx.Client(timeout=_TIMEOUT_S, headers=headers, follow_redirects=False)

    def deliver(self, delivery: AuditDelivery) -> None:
        events = [
            {"time": event["time"] / 1000, "source": "rushes", "sourcetype": "rushes:ocsf", "event": event}
            for event in delivery.events
        ]
        if delivery.checkpoint is not None:
            note = {"checkpoint": delivery.checkpoint.decode(), "chain_uid": delivery.chain_uid}
            events.append({"source": "rushes", "sourcetype": "rushes:checkpoint", "event": note})
        body = "\n".join(json.dumps(event) for event in events)
        number = self._asked("/services/collector/event", body).get("ackId")
        if not isinstance(number, int):
            raise _refused(self._url, "its token has no indexer acknowledgement: turn it on")
        for _ in range(max(1, round(self._acknowledged_s / _LOOK_S))):
            acks = self._asked("/services/collector/ack", json.dumps({"acks": [number]})).get("acks")
            if isinstance(acks, dict) and acks.get(str(number)) is True:
                return
            self._clock.sleep(_LOOK_S)
        raise _refused(self._url, f"its indexer did not acknowledge in {self._acknowledged_s:g} s")

    def close(self) -> None:
        self._client.close()

    def _asked(self, path: str, body: str) -> dict[str, Any]:
        answer = _answered(lambda: self._client.post(self._url + path, content=body.encode()), self._url)
        try:
            found = answer.json()
        except ValueError:
            found = None
        return found if isinstance(found, dict) else {}


def _answered(ask: Callable[[], httpx.Response], url: str) -> httpx.Response:
    try:
        answer = ask()
    except httpx.HTTPError as error:
        raise _refused(url, fault_of(error)) from None
    if not answer.is_success:
        raise _refused(url, f"it answers {answer.status_code}")
    return answer


def _refused(url: str, why: str) -> Unavailable:
    # Scheme, host and port alone: the rest may hold a secret.
    shown = httpx.URL(url)
    return Unavailable(
        f"{shown.scheme}://{shown.netloc.decode('ascii')} did not take audit events: {why}", code="siem_unavailable"
    )
