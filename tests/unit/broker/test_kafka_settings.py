"""How a cluster is named, and what a properties file may say."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from stream.broker.kafka.client import KafkaSettings, read_properties
from stream.errors import Fatal


def test_a_broker_is_named_by_hosts(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("# secrets\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n")
    settings = KafkaSettings.from_uri("kafka://one:9092,two:9093", file)
    assert settings.servers == "one:9092,two:9093"
    assert settings.common()["security.protocol"] == "SASL_SSL"
    assert settings.common()["sasl.password"] == "a=b"
    assert "a=b" not in repr(settings)


def test_the_client_library_is_silent_unless_it_is_asked_to_speak() -> None:
    assert KafkaSettings("one:9092").common()["log_level"] == 2
    assert KafkaSettings("one:9092", {"log_level": "6"}).common()["log_level"] == "6"


def test_a_broker_that_goes_away_in_a_handshake_refuses_nobody() -> None:
    refusals = KafkaSettings("one:9092").refusals
    code = KafkaError._AUTHENTICATION
    refusals.on_error(KafkaError(code, "one:9092: mechanism handshake failed: Local: Broker transport failure: (n/a)"))
    refusals.check()
    refusals.on_error(KafkaError(code, "one:9092: SASL authentication error: Authentication failed"))
    with pytest.raises(Fatal, match="Authentication failed"):
        refusals.check()


@pytest.mark.parametrize(
    "uri", ["one:9092", "http://one:9092", "kafka://", "kafka://user:hunter2@one:9092", "kafka://a/b"]
)
def test_other_names_are_refused_without_repeating_them(uri: str) -> None:
    with pytest.raises(Fatal) as refused:
        KafkaSettings.from_uri(uri)
    assert refused.value.code == "invalid_broker"
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("line", ["no equals", "group.id=theirs", "bootstrap.servers=x"])
def test_a_properties_file_says_only_what_it_may(tmp_path: Path, line: str) -> None:
    file = tmp_path / "client.properties"
    file.write_text(f"a=1\n{line}\n")
    with pytest.raises(Fatal, match="line 2"):
        read_properties(file)


def test_a_missing_properties_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"none\.properties"):
        read_properties(tmp_path / "none.properties")
