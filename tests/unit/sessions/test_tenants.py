"""The register of tenants: a file, or a topic that a running gate follows."""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from benchmarks.testbed.runs import light_settings
from benchmarks.testbed.waiting import wait_for
from stream.broker.contract import Broker
from stream.broker.memory.broker import MemoryBroker
from stream.clock import SystemClock
from stream.errors import Fatal, Unavailable
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.events.tenants import TenantRegistered
from stream.sessions.stage_process import Deployment, run_deployed
from stream.sessions.state_lock import state_lock
from stream.sessions.tenant_changes import ClusterTenants, LocalTenants
from stream.sessions.tenant_register import TenantsTopic
from stream.topology.codec import encode
from stream.topology.tenants import tenant_topic
from stream.topology.topics import ASSETS, TENANTS

ACME, UMBRELLA = (TenantRegistered(tenant=name, projects=("news",)) for name in ("acme", "umbrella"))


class NoAuthorizer:
    """A cluster where everybody may write every topic."""

    def producers(self, topic: str) -> set[str]:
        raise Fatal("this cluster has no authorizer", code="no_authorizer")

    def allow_only(self, topic: str, principals: Collection[str]) -> None:
        self.producers(topic)

    def writes_elsewhere(self, principal: str, topic: str) -> bool:
        return bool(self.producers(topic))

    def close(self) -> None:
        pass


class Users:
    """Rights and quotas of users, as a cluster keeps them."""

    def __init__(self) -> None:
        self.writers: dict[str, set[str]] = {}
        self.held: dict[str, dict[str, float]] = {}

    def producers(self, topic: str) -> set[str]:
        return self.writers.get(topic, set())

    def allow_only(self, topic: str, principals: Collection[str]) -> None:
        self.writers[topic] = set(principals)

    def writes_elsewhere(self, principal: str, topic: str) -> bool:
        return any(principal in them for name, them in self.writers.items() if name != topic)

    def of(self, principals: Iterable[str]) -> dict[str, dict[str, float]]:
        return {each: dict(self.held.get(each, {})) for each in principals}

    def put(self, principals: Iterable[str], changes: Mapping[str, float | None]) -> None:
        for each in principals:
            now: dict[str, float | None] = {**self.held.get(each, {}), **changes}
            self.held[each] = {name: value for name, value in now.items() if value is not None}

    def close(self) -> None:
        pass


def on(broker: Broker, users: Users | None = None) -> ClusterTenants:
    rights = NoAuthorizer if users is None else lambda: users
    return ClusterTenants(lambda: nullcontext(broker), SystemClock(), lambda _: 1, rights, lambda: users or Users())


def test_the_file_holds_what_was_said_last(tmp_path: Path) -> None:
    local = LocalTenants(tmp_path)
    local.add(ACME)
    local.add(UMBRELLA)
    local.add(changed := ACME.model_copy(update={"regions": ("eu",)}))
    assert dict(LocalTenants(tmp_path).tenants().now) == {"acme": changed, "umbrella": UMBRELLA}
    local.remove("umbrella")
    assert list(local.tenants().now) == ["acme"]
    with state_lock(tmp_path), pytest.raises(Unavailable):
        local.remove("acme")


@pytest.mark.parametrize("text", ["", "{}", '[{"tenant": "a b"}]', '[{"projects": []}]'])
def test_a_file_that_cannot_be_read_is_no_empty_register(tmp_path: Path, text: str) -> None:
    (tmp_path / "tenants.json").write_text(text)
    with pytest.raises(Fatal) as refused:
        LocalTenants(tmp_path).tenants()
    assert refused.value.code == "tenants_unreadable"


def test_the_topic_holds_what_was_said_last() -> None:
    broker = MemoryBroker(SystemClock())
    for tenant in (ACME, UMBRELLA, ACME.model_copy(update={"regions": ("eu",)})):
        on(broker).add(tenant)
    broker.producer().send(TENANTS.name, b"x", b"no event", {})
    on(broker).remove("umbrella")
    with pytest.raises(Fatal, match="no authorizer"):
        on(broker).add(UMBRELLA, ["User:umbrella"])
    on(broker).remove("umbrella")
    assert on(broker).producers(ACME) == set()
    assert [each.regions for each in on(broker).tenants().now.values()] == [("eu",)]


def test_quotas_follow_who_may_write() -> None:
    broker, users = MemoryBroker(SystemClock()), Users()
    bounded = ACME.model_copy(update={"producer_byte_rate": 1000, "request_percentage": 50.0})
    quotas = {"producer_byte_rate": 1000.0, "request_percentage": 50.0}
    with pytest.raises(Fatal) as refused:
        on(broker, users).add(bounded)
    assert (refused.value.code, dict(on(broker, users).tenants().now)) == ("no_producers", {})
    users.held["User:a"] = {"consumer_byte_rate": 7.0}
    on(broker, users).add(bounded, ["User:a", "User:b"])
    assert users.held == {"User:a": {"consumer_byte_rate": 7.0} | quotas, "User:b": quotas}
    on(broker, users).add(UMBRELLA, ["User:b"])
    # Who comes is bounded as well; who leaves is free again, but for one who writes somebody else's topic.
    on(broker, users).add(bounded, ["User:c"])
    assert users.held == {"User:a": {"consumer_byte_rate": 7.0}, "User:b": quotas, "User:c": quotas}
    on(broker, users).add(bounded.model_copy(update={"request_percentage": None}))
    assert on(broker, users).quotas(["User:c"]) == {"User:c": {"producer_byte_rate": 1000.0}}
    on(broker, users).remove("acme")
    assert (users.held["User:c"], users.producers("assets.acme")) == ({}, set())


@contextmanager
def gate(tmp_path: Path, broker: MemoryBroker) -> Iterator[None]:
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run_deployed(light_settings(tmp_path), ["gate"], broker, Deployment(0, 1), stop, clock=SystemClock())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30.0)
    assert not errors
    assert not thread.is_alive()


def test_a_running_gate_takes_up_a_new_tenant_and_leaves_one_that_is_removed(tmp_path: Path) -> None:
    broker = MemoryBroker(SystemClock())
    broker.ensure([ASSETS.spec(1)])

    def publish(tenant: TenantRegistered, name: str) -> None:
        sent = encode(Event(AssetDeleted(asset_id=name), tenant.tenant, "news", name, 1))
        broker.producer().send(tenant_topic(tenant).name, sent.key, sent.value, sent.headers)

    def published() -> int:
        return broker.kept(ASSETS.name).records

    def left(tenant: TenantRegistered) -> int:
        return broker.backlog(tenant_topic(tenant).name, "gate").records

    on(broker).add(ACME)
    with gate(tmp_path, broker):
        publish(ACME, "a")
        wait_for(lambda: published() == 1, "what waited is sent on")
        on(broker).add(UMBRELLA)
        publish(UMBRELLA, "b")
        wait_for(lambda: published() == 2, "the new tenant's too")
        on(broker).remove("acme")
        publish(UMBRELLA, "c")
        wait_for(lambda: published() == 3, "the gate works again")
    publish(ACME, "d")
    # Another run of the gate begins where the first has ended.
    with gate(tmp_path, broker):
        publish(UMBRELLA, "e")
        wait_for(lambda: published() == 4, "what came meanwhile")
    assert (left(ACME), left(UMBRELLA)) == (1, 0)


def test_a_process_that_plays_footage_follows_the_topic() -> None:
    broker = MemoryBroker(SystemClock())
    followed = TenantsTopic(broker)
    try:
        assert dict(followed.now) == {}
        on(broker).add(ACME)
        wait_for(lambda: dict(followed.now) == {"acme": ACME}, "the tenant is known")
        on(broker).remove("acme")
        wait_for(lambda: dict(followed.now) == {}, "the tenant is gone")
    finally:
        followed.close()
    # What is not followed any more may be old.
    with pytest.raises(Unavailable):
        assert followed.now
