"""What the client that sets quotas takes of librdkafka's properties; the brokers' part is in the tests with Kafka."""

import ssl
from pathlib import Path

import pytest

from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.quotas import client_options
from stream.errors import Fatal
from tests.support.certificates import certified

SCRAM = {"sasl.mechanisms": "SCRAM-SHA-512", "sasl.username": "u", "sasl.password": "secret"}


def test_the_same_properties_reach_the_same_cluster(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(certified().root)
    files = {"ssl.ca.location": str(ca), "ssl.endpoint.identification.algorithm": "none", "linger.ms": "5"}
    made = client_options(KafkaSettings("a:1,b:2", SCRAM | files | {"security.protocol": "sasl_ssl"}))
    assert (made["bootstrap_servers"], made["security_protocol"]) == ("a:1,b:2", "SASL_SSL")
    assert (made["sasl_mechanism"], made["sasl_plain_username"]) == ("SCRAM-SHA-512", "u")
    context = made["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
    inline = {"security.protocol": "ssl", "ssl.ca.pem": ca.read_text().replace("\n", "\\n")}
    assert client_options(KafkaSettings("a:1", inline))["ssl_context"].check_hostname is True
    assert client_options(KafkaSettings("a:1"))["ssl_context"] is None


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"security.protocol": "ssl", "ssl.keystore.location": "/k.p12"}, "quotas_not_settable"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanisms": "GSSAPI"}, "quotas_not_settable"),
        # Followed half, it would leave a connection unchecked or refuse a good one.
        ({"security.protocol": "ssl", "enable.ssl.certificate.verification": "false"}, "quotas_not_settable"),
        ({"security.protocol": "ssl", "ssl.ca.location": "/nowhere.pem"}, "tls_failed"),
        ({"security.protocol": "ssl", "ssl.ca.pem": "nonsense"}, "tls_failed"),
    ],
)
def test_what_it_cannot_follow_is_refused_in_words(properties: dict[str, str], code: str) -> None:
    with pytest.raises(Fatal) as refused:
        client_options(KafkaSettings("a:1", SCRAM | properties))
    assert refused.value.code == code
    assert "secret" not in refused.value.message
