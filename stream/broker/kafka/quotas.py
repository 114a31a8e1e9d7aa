"""Client quotas of users (KIP-546), which the brokers keep and enforce.

confluent-kafka 2.16.1 has no call for them, so aiokafka's connection carries the requests.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.errors import KafkaError as ClientError
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String
from confluent_kafka import KafkaError

from stream.broker.kafka.client import CALL_TIMEOUT_S, SETTLING, KafkaSettings, as_stage_error
from stream.broker.kafka.listener import protocol_of
from stream.broker.kafka.tls import KNOWN, tls_context
from stream.errors import Fatal, Unavailable

T = TypeVar("T")
_EXACTLY = 0
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_SECURITY = ("ssl.", "sasl.", "enable.ssl.", "enable.sasl.")
_LOGIN = frozenset({"sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"})
_PATIENCE, _PAUSE_S = 20, 0.25
_NAMES = String("utf-8")
_ENTITY = ("entity", Array(("entity_type", _NAMES), ("entity_name", _NAMES)))


class _Altered(Response):
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("entries", Array(("error_code", Int16), ("error_message", _NAMES), _ENTITY))
    )


class _AlterV0(RequestStruct):
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _Altered
    SCHEMA = Schema(
        ("entries", Array(_ENTITY, ("ops", Array(("key", _NAMES), ("value", Float64), ("remove", Boolean))))),
        ("validate_only", Boolean),
    )


class _Alter(Request[_AlterV0]):
    """AlterClientQuotas of Kafka's protocol guide, which aiokafka 0.14 lacks beside DescribeClientQuotas."""

    API_KEY = 49

    def __init__(self, user: str, changes: Mapping[str, float | None]) -> None:
        operations = [(name, value or 0.0, value is None) for name, value in changes.items()]
        self._entries = [([("user", user)], operations)]

    def build(self, request_struct_class: type[_AlterV0]) -> _AlterV0:
        return request_struct_class(self._entries, False)


class ClientQuotas:
    """By principal, such as `User:acme`, and by Kafka's names, such as `producer_byte_rate`; each broker counts for
    itself. Raises `Unavailable` while the cluster cannot be reached, and `Fatal` where it refuses, or where the client
    properties need what this client lacks (`quotas_not_settable`).
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def of(self, principals: Iterable[str]) -> dict[str, dict[str, float]]:
        """What the brokers bound each user to by its name alone; without quotas of a client id, or of all users."""

        async def ask(send: Callable[[Any], Awaitable[Any]]) -> dict[str, dict[str, float]]:
            return {each: await _described(send, each) for each in principals}

        return self._asked(ask, "asking for client quotas")

    def put(self, principals: Iterable[str], changes: Mapping[str, float | None]) -> None:
        """From now on for each of them; None lifts a quota. What is not named stays."""

        async def change(send: Callable[[Any], Awaitable[Any]]) -> None:
            for each in principals:
                answer = await send(_Alter(_user(each), changes))
                for number, message, _ in answer.entries:
                    _check(number, message, f"setting the quotas of {each}")

        self._asked(change, "setting client quotas")

    def _asked(self, work: Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[T]], doing: str) -> T:
        options = client_options(self._settings)
        try:
            return asyncio.run(_connected(options, work))
        except IncompatibleBrokerVersion:
            raise Fatal(f"{doing}: the brokers know no client quotas by users", code="broker_refused") from None
        except (ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{doing}: {type(error).__name__}", code="broker_unavailable") from None


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """librdkafka properties in aiokafka's form. Raises `Fatal` (`quotas_not_settable`, `tls_failed`)."""
    properties, protocol = settings.properties, protocol_of(settings.properties)
    mechanism = properties.get("sasl.mechanisms") or properties.get("sasl.mechanism") or "PLAIN"
    unknown = [each for each in properties if each.startswith(_SECURITY) and each not in KNOWN | _LOGIN]
    if unknown or (protocol.startswith("SASL") and mechanism not in _MECHANISMS):
        raise Fatal(
            f"client quotas cannot be set with {unknown[0] if unknown else f'sasl.mechanisms={mechanism}'}: leave them"
            " out, and set them with Kafka's own kafka-configs.sh",
            code="quotas_not_settable",
        )
    return {
        "bootstrap_servers": settings.servers,
        "client_id": "rushes",
        "request_timeout_ms": int(CALL_TIMEOUT_S * 1000),
        "security_protocol": protocol,
        "ssl_context": tls_context(properties) if protocol.endswith("SSL") else None,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": properties.get("sasl.username"),
        "sasl_plain_password": properties.get("sasl.password"),
    }


async def _connected(options: Mapping[str, Any], work: Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[T]]) -> T:
    client = AIOKafkaClient(**options)

    async def send(request: Any) -> Any:
        return await client.send(client.get_random_node(), request)

    try:
        async with asyncio.timeout(3 * CALL_TIMEOUT_S):
            await client.bootstrap()
            return await work(send)
    finally:
        await client.close()


async def _described(send: Callable[[Any], Awaitable[Any]], principal: str) -> dict[str, float]:
    for _ in range(_PATIENCE):
        answer = await send(DescribeClientQuotasRequest([("user", _EXACTLY, _user(principal))], strict=True))
        if answer.error_code not in SETTLING:
            break
        await asyncio.sleep(_PAUSE_S)
    _check(answer.error_code, answer.error_message, f"asking for the quotas of {principal}")
    return dict(sorted((name, value) for _, values in answer.entries for name, value in values))


def _user(principal: str) -> str:
    return principal.removeprefix("User:")


def _check(number: int, message: str | None, doing: str) -> None:
    """Raises what Kafka's error `number` means; 0 is none."""
    if number:
        raise as_stage_error(KafkaError(number, (message or "").rstrip(".") or None), doing)
