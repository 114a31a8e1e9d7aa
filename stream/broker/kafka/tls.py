"""TLS of clients other than librdkafka, by its properties."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from stream.errors import Fatal

KNOWN = frozenset(
    {
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.endpoint.identification.algorithm",
        "ssl.key.location",
        "ssl.key.password",
    }
)
"""The properties that are followed."""


def tls_context(properties: Mapping[str, str]) -> ssl.SSLContext:
    """Raises `Fatal` (`tls_failed`) for files that cannot be used; the message holds no value of a secret."""
    place, text = properties.get("ssl.ca.location"), properties.get("ssl.ca.pem")
    folder = place if place and Path(place).is_dir() else None
    try:
        context = ssl.create_default_context(
            cafile=None if folder else place,
            capath=folder,
            # A line of a properties file has `\n` where the certificate has a new line, as librdkafka takes it.
            cadata=text.replace("\\n", "\n") if text else None,
        )
        if certificate := properties.get("ssl.certificate.location"):
            context.load_cert_chain(certificate, properties.get("ssl.key.location"), properties.get("ssl.key.password"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Fatal(f"the certificates of --client-properties cannot be used: {why}", code="tls_failed") from None
    if properties.get("ssl.endpoint.identification.algorithm") == "none":
        # The operator asked for it by name. The default stays strict.
        context.check_hostname = False
    return context
