"""Who is told when something has ended: the address, and the secret that signs what is posted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.context import UsageProblem
from stream.files import read_small

if TYPE_CHECKING:
    from stream.operators.webhook import WebhookSettings

WebhookSecretFile = Annotated[
    Path | None, typer.Option(help="Signs what is posted. [env RUSHES_WEBHOOK_SECRET holds the secret itself]")
]
# Hidden: on the command line a secret would be in every listing of processes.
WebhookSecret = Annotated[str | None, typer.Option(envvar="RUSHES_WEBHOOK_SECRET", hidden=True)]
WebhookNetwork = Annotated[
    bool, typer.Option("--private-network", help="The webhook may be at a private or loopback address.")
]
JobWebhook = Annotated[
    str | None, typer.Option(help="http(s) URL that gets a POST when a job has ended or stopped at its budget.")
]


def webhook_settings(
    url: str | None, file: Path | None, given: str | None, *, private_network: bool
) -> "WebhookSettings | None":
    """None without an address. Raises `UsageProblem`, and `Fatal` (`invalid_webhook`)."""
    from stream.operators.webhook import WebhookSettings

    if url is None:
        return None
    return WebhookSettings(url, _secret(file, given), allow_private_addresses=private_network)


def _secret(file: Path | None, given: str | None) -> bytes:
    if file is None and given is None:
        raise UsageProblem("a webhook needs a secret: --webhook-secret-file FILE or RUSHES_WEBHOOK_SECRET")
    if file is None:
        return (given or "").encode()
    try:
        # Editors end a file with a line break, which is no part of the secret.
        return read_small(file).strip()
    except OSError as error:
        raise UsageProblem(f"--webhook-secret-file {file} cannot be read: {error.strerror}") from None
