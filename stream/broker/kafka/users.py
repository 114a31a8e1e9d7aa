"""Users of a cluster that log in with a password (SCRAM-SHA-512)."""

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from stream.broker.kafka.admin_queries import AdminQueries
from stream.broker.kafka.client import CALL_TIMEOUT_S, KafkaSettings
from stream.clock import Clock

_ITERATIONS = 8_192


def set_password(settings: KafkaSettings, clock: Clock, name: str, password: str) -> None:
    """From now on the user logs in with this password alone; one that is not there is made. What it may do is for the
    authorizer. Raises `Unavailable` while the cluster cannot be reached, `Fatal` where it refuses.
    """

    def change(client: AdminClient) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        wanted = UserScramCredentialUpsertion(name, info, password.encode())
        for future in client.alter_user_scram_credentials([wanted]).values():
            future.result(CALL_TIMEOUT_S)

    ask = AdminQueries(settings, clock)
    try:
        ask.with_retries(f"making user {name}", change)
    finally:
        ask.close()
