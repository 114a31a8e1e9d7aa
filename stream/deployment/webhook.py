"""The receiver of a webhook, as manifests name it. What is posted, and how, is `stream.operators.webhook`."""

from dataclasses import dataclass
from typing import Any

VARIABLE = "RUSHES_WEBHOOK_SECRET"


@dataclass(frozen=True, slots=True)
class Webhook:
    """`url` and its `port`. The key `secret` of the Secret `secret_name` signs each request."""

    url: str
    port: int
    secret_name: str

    @property
    def environment(self) -> list[dict[str, Any]]:
        """Of a container that posts."""
        key = {"name": self.secret_name, "key": "secret"}
        return [{"name": VARIABLE, "valueFrom": {"secretKeyRef": key}}]
