"""What a local node needs beyond plaintext: its own certificate, and one user with a random password.

Secrets lie in files that only their owner may read. Programs get them through such files and never through a command
line, which every user of the machine can list.
"""

import os
import secrets
import subprocess
from pathlib import Path
from typing import Literal, get_args

from stream.errors import Fatal

Security = Literal["plaintext", "tls", "sasl"]
"""How clients reach a node: without TLS, over TLS, or over TLS with a user (SASL with SCRAM-SHA-512)."""
USER = "rushes"
MECHANISM = "SCRAM-SHA-512"
_VALID_DAYS = 3650


def security_of(directory: Path) -> Security | None:
    """The security with which the node of a directory was created; None where there is none."""
    try:
        found = (directory / "security").read_text().strip()
    except OSError:
        return "plaintext" if (directory / "server.properties").exists() else None
    return next((it for it in get_args(Security) if it == found), None)


def client_properties(directory: Path) -> Path | None:
    """The file for `--client-properties`; None where clients need none."""
    path = directory / "client.properties"
    return path if path.exists() else None


def provide(directory: Path, security: Security, keytool: str) -> None:
    """Create certificate, password and client properties of a new node. Raises `Fatal` when keytool fails."""
    (directory / "data").mkdir(mode=0o700, exist_ok=True)
    keystore, ca = directory / "keystore.p12", directory / "ca.pem"
    for old in (keystore, ca):
        old.unlink(missing_ok=True)
    write_private(directory / "keystore.password", secrets.token_urlsafe(32))
    _keytool(
        keytool, directory, "-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", str(_VALID_DAYS),
        *("-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1"),
        *("-ext", "bc:c=ca:true", "-ext", "ku:c=digitalSignature,keyCertSign"),
    )  # fmt: skip
    keystore.chmod(0o600)
    _keytool(keytool, directory, "-exportcert", "-rfc", "-file", str(ca))
    settings = {"security.protocol": "SSL", "ssl.ca.location": str(ca)}
    if security == "sasl":
        settings |= {
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": MECHANISM,
            "sasl.username": USER,
            "sasl.password": secrets.token_urlsafe(32),
        }
    write_private(directory / "client.properties", "".join(f"{name}={value}\n" for name, value in settings.items()))
    # Written last: after a crash before it, the next start makes everything anew.
    write_private(directory / "security", security)


def listeners(security: Security, port: int, internal: int, controller: int) -> dict[str, object]:
    """Server settings. The node talks to itself over TLS and accepts only its own key there (ADR 0025)."""
    if security == "plaintext":
        return {
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        }
    clients = "SASL_SSL" if security == "sasl" else "SSL"
    return {
        "listeners": f"INTERNAL://127.0.0.1:{internal},CONTROLLER://127.0.0.1:{controller},CLIENT://127.0.0.1:{port}",
        "advertised.listeners": f"INTERNAL://127.0.0.1:{internal},CLIENT://127.0.0.1:{port}",
        "listener.security.protocol.map": f"INTERNAL:SSL,CONTROLLER:SSL,CLIENT:{clients}",
        "inter.broker.listener.name": "INTERNAL",
        "listener.name.internal.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
    }


def server_secrets(directory: Path, security: Security) -> dict[str, object]:
    """Server settings that hold or point to secrets."""
    if security == "plaintext":
        return {}
    keystore, password = directory / "keystore.p12", (directory / "keystore.password").read_text()
    stores = {
        f"ssl.{store}.{name}": value
        for store in ("keystore", "truststore")
        for name, value in (("location", keystore), ("type", "PKCS12"), ("password", password))
    }
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    sasl = {
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.client.{MECHANISM.lower()}.sasl.jaas.config": login,
    }
    # Users that are made later may do nothing until somebody allows it (`rushes tenants add --principal`).
    rights = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{USER};User:CN=localhost",
    }
    return {**stores, **({**sasl, **rights} if security == "sasl" else {})}


def scram_user(directory: Path) -> str:
    """The argument of `StorageTool format --add-scram`, with the password from the client properties."""
    lines = (directory / "client.properties").read_text().splitlines()
    (password,) = (line.partition("=")[2] for line in lines if line.startswith("sasl.password="))
    return f"{MECHANISM}=[name={USER},password={password}]"


def properties_of(directory: Path, user: str, password: str) -> str:
    """Client properties of another user than the node's own."""
    own = {"sasl.username": user, "sasl.password": password}
    lines = (directory / "client.properties").read_text().splitlines()
    named = [(name, own.get(name, value)) for name, _, value in (line.partition("=") for line in lines)]
    return "".join(f"{name}={value}\n" for name, value in named)


def write_private(path: Path, text: str) -> None:
    """Written anew. Only its owner can read it, from the first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _keytool(keytool: str, directory: Path, command: str, *arguments: str) -> None:
    where = ("-alias", USER, "-storetype", "PKCS12", "-keystore", str(directory / "keystore.p12"))
    given = ("-storepass:file", str(directory / "keystore.password"))
    done = subprocess.run(  # noqa: S603 - our own command line
        [keytool, "-J-XX:TieredStopAtLevel=1", command, *where, *given, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Fatal(f"keytool {command}: {(done.stdout + done.stderr).strip()[-300:]}", code="kafka_start")
