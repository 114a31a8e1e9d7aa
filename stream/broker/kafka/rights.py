"""Who may do what with topics and groups, as a cluster's authorizer keeps it."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from stream.broker.kafka.admin_queries import AdminQueries
from stream.broker.kafka.client import CALL_TIMEOUT_S, KafkaSettings
from stream.clock import Clock
from stream.errors import Fatal

T = TypeVar("T")
# `DESCRIBE` is in `WRITE`, but a list that says both is read without knowing that.
_PRODUCING = (AclOperation.WRITE, AclOperation.DESCRIBE)


class ProducerRights:
    """Raises `Unavailable` while the cluster cannot be reached, and `Fatal` where it refuses, or has no authorizer
    (`no_authorizer`). `close` it.
    """

    def __init__(self, settings: KafkaSettings, clock: Clock) -> None:
        self._settings = settings
        self._ask = AdminQueries(settings, clock)

    def producers(self, topic: str) -> set[str]:
        """Who may write it, such as `User:acme`; without those who may write every topic."""
        return {held.principal for held in self._held(topic)}

    def allow_only(self, topic: str, principals: Collection[str]) -> None:
        """These producers may write and describe the topic from now on; others that could lose it."""
        self._asked(partial(self._create, topic, principals))
        for gone in self.producers(topic) - set(principals):
            self._asked(partial(self._delete, topic, gone))

    def writes_elsewhere(self, principal: str, topic: str) -> bool:
        """Whether it may write another topic too, by its name or by a prefix."""
        ours = self._settings.names.of(topic)
        return any(held.name != ours for held in self._bindings(self._any_topic(principal)))

    def close(self) -> None:
        self._ask.close()

    def _held(self, topic: str) -> list[AclBinding]:
        return self._bindings(self._filter(topic))

    def _bindings(self, sought: AclBindingFilter) -> list[AclBinding]:
        def ask(client: AdminClient) -> list[AclBinding]:
            return list(client.describe_acls(sought).result(CALL_TIMEOUT_S))

        return [held for held in self._asked(ask) if held.operation in _PRODUCING]

    def _create(self, topic: str, principals: Collection[str], client: AdminClient) -> None:
        # By its whole name: the prefix `assets.a` would also cover the topic of a tenant `ab`.
        wanted = [
            AclBinding(
                ResourceType.TOPIC,
                self._settings.names.of(topic),
                ResourcePatternType.LITERAL,
                principal,
                "*",
                operation,
                AclPermissionType.ALLOW,
            )
            for principal in principals
            for operation in _PRODUCING
        ]
        if wanted:
            for future in client.create_acls(wanted).values():
                future.result(CALL_TIMEOUT_S)

    def _delete(self, topic: str, principal: str, client: AdminClient) -> None:
        for future in client.delete_acls([self._filter(topic, principal)]).values():
            future.result(CALL_TIMEOUT_S)

    def _any_topic(self, principal: str) -> AclBindingFilter:
        return AclBindingFilter(
            ResourceType.TOPIC,
            None,  # type: ignore[arg-type]  # None is any, which the types do not know
            ResourcePatternType.ANY,
            principal,
            None,  # type: ignore[arg-type]
            AclOperation.ANY,
            AclPermissionType.ALLOW,
        )

    def _filter(self, topic: str, principal: str | None = None) -> AclBindingFilter:
        return AclBindingFilter(
            ResourceType.TOPIC,
            self._settings.names.of(topic),
            ResourcePatternType.LITERAL,
            principal,  # type: ignore[arg-type]  # None is any, which the types do not know
            None,  # type: ignore[arg-type]
            AclOperation.ANY,
            AclPermissionType.ALLOW,
        )

    def _asked(self, ask: Callable[[AdminClient], T]) -> T:
        return _asked(self._ask, "asking who may write a topic", ask)


class StageRights:
    """Rights of the processes of a deployment. Raises what `ProducerRights` raises. `close` it."""

    def __init__(self, settings: KafkaSettings, clock: Clock) -> None:
        self._names = settings.names
        self._ask = AdminQueries(settings, clock)

    def allow(self, principal: str, rights: Iterable[tuple[str, str, str, bool]]) -> None:
        """Each as kind of resource, name, operation and whether the name is a prefix, as `stream.topology.rights` has
        them. What `principal` may do beside them stays.
        """
        wanted = [
            AclBinding(
                ResourceType[kind.upper()],
                self._names.of(name),
                ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL,
                principal,
                "*",
                AclOperation[operation.upper()],
                AclPermissionType.ALLOW,
            )
            for kind, name, operation, prefixed in rights
        ]

        def give(client: AdminClient) -> None:
            for future in client.create_acls(wanted).values():
                future.result(CALL_TIMEOUT_S)

        _asked(self._ask, "giving rights", give)

    def close(self) -> None:
        self._ask.close()


def _asked(queries: AdminQueries, what: str, ask: Callable[[AdminClient], T]) -> T:
    def checked(client: AdminClient) -> T:
        try:
            return ask(client)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.SECURITY_DISABLED:
                raise
            raise Fatal(
                "this cluster has no authorizer, so everybody may write every topic: set authorizer.class.name"
                " on its brokers, or leave --principal out",
                code="no_authorizer",
            ) from None

    return queries.with_retries(what, checked)
