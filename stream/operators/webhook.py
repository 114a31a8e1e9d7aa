"""The webhook stage: each record of a topic is posted to one configured URL until the receiver has taken it."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpcore

from stream.clock import Clock
from stream.errors import BadEvent, BadMedia, Fatal, Retryable, StageError, Unavailable
from stream.events.base import Event
from stream.net.connect import CheckedBackend, ConnectionPolicy
from stream.topology.stage import BatchPolicy, RetryPolicy, Stage
from stream.topology.topics import COMPLETIONS

_PORTS = {"http": 80, "https": 443}
_REFUSED = frozenset({400, 406, 409, 411, 413, 414, 415, 422})
"""What a receiver says of this one message; another may well be taken."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """From the command line alone: no event decides where to. `secret` signs; it is never printed.

    Addresses that are not public are refused unless allowed, redirects are not followed, and a proxy of
    the environment is not asked.
    """

    url: str
    secret: bytes = field(repr=False)
    allow_private_addresses: bool = False
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        port_of(self.url)
        # A shorter secret could be guessed from one signed message.
        if len(self.secret) < 16:
            raise Fatal("the webhook's secret is shorter than 16 bytes", code="invalid_webhook")


def port_of(url: str) -> int:
    """Where a webhook listens. Raises `Fatal` (`invalid_webhook`) for what cannot be one."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        port = None
    # A password in a URL would be shown in listings and logs.
    if port is None or not parts.hostname or "@" in parts.netloc:
        raise Fatal("a webhook is an http or https URL without user and password", code="invalid_webhook")
    return port


def webhook_stage(
    settings: WebhookSettings, clock: Clock, *, name: str = "webhook", source: str = COMPLETIONS.name
) -> Stage:
    """A receiver that is away pauses the stage, with backoff and jitter and without limit: what waits stays in the
    topic for as long as that keeps it. One that fails on a message gets it again some times; then, or if it refuses it,
    it is a dead letter.
    """
    return Stage(
        name=name,
        sources=(source,),
        targets=(),
        operator=lambda: WebhookOperator(settings, clock),
        # One message a batch, so that a retry repeats none that the receiver already has.
        batch=BatchPolicy(max_records=1),
        retry=RetryPolicy(max_attempts=6, base_delay_s=1.0, max_delay_s=60.0),
    )


class WebhookOperator:
    """Posts a CloudEvent in structured JSON, signed as Standard Webhooks 1.0 says: `webhook-id` is the same whenever a
    message is sent again, so that the receiver can drop what it has.
    """

    def __init__(self, settings: WebhookSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._backend = CheckedBackend(
            ConnectionPolicy(
                allow_private_addresses=settings.allow_private_addresses, request_timeout_s=settings.timeout_s
            )
        )
        self._pool: httpcore.ConnectionPool | None = None

    def open(self) -> None:
        self._pool = httpcore.ConnectionPool(network_backend=self._backend, max_connections=1)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        """Yields nothing. Raises `Unavailable`, `Retryable` and `BadEvent` as `webhook_stage` tells."""
        for event in events:
            _judge(self._post(event))
        return ()

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the operator's contract
        return ()

    def _post(self, event: Event) -> int:
        """The answer's status; nothing else of it is read."""
        assert self._pool is not None, "opened before"
        body = structured(event)
        headers = {
            **signed(self._settings.secret, event.id, self._clock.now_ms() // 1000, body),
            "content-type": "application/cloudevents+json",
            "user-agent": "rushes",
        }
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._settings.timeout_s)
        # One time for the whole request, so that single bytes cannot extend it.
        self._backend.begin()
        try:
            with self._pool.stream(
                "POST", self._settings.url, headers=headers, content=body, extensions={"timeout": limits}
            ) as answer:
                # The body is not read: a receiver could send without end.
                return answer.status
        # The address is the operator's to mend, so the stage pauses and drops no message.
        except BadMedia:
            raise Unavailable(
                "the webhook's host has an address that is not public; allow it or name another",
                code="webhook_address",
            ) from None
        except (Retryable, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise Unavailable(f"the webhook does not answer ({type(error).__name__})", code="webhook_away") from None


def structured(event: Event) -> bytes:
    """The event as CloudEvents 1.0 JSON."""
    published = datetime.fromtimestamp(event.event_time_ms / 1000, UTC)
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": published.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": event.data.content_type,
        "tenant": event.tenant,
        "project": event.project,
        "traceparent": event.traceparent,
        "data": json.loads(event.data.to_bytes()),
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def signed(secret: bytes, message_id: str, now_s: int, body: bytes) -> dict[bytes | str, bytes | str]:
    """The headers of Standard Webhooks 1.0: an HMAC-SHA256 over `id.timestamp.body`, in base64."""
    text = b".".join((message_id.encode(), str(now_s).encode(), body))
    signature = b64encode(hmac.digest(secret, text, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(now_s), "webhook-signature": f"v1,{signature}"}


def _judge(status: int) -> None:
    if 200 <= status < 300:
        return
    if status in _REFUSED:
        raise BadEvent(f"the webhook refused the message (status {status})", code="webhook_refused")
    if status == 500:
        raise Retryable("the webhook failed on the message (status 500)", code="webhook_failed")
    # Busy, away, moved or wrongly set up: nothing that this message could help.
    raise Unavailable(f"the webhook takes no messages (status {status})", code="webhook_away")
