"""Proxies before a service, whose word counts for who asks."""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Annotated, TypeAlias

import typer

from stream.cli.context import UsageProblem
from stream.cli.rendering.sanitize import shown

ProxyOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help="Address or network of a proxy, whose X-Forwarded-For says who asks; repeatable. Without: with"
        " --public-url this machine's.",
    ),
]
_THIS_MACHINE = ("127.0.0.1", "::1")


def proxies_of(named: Sequence[str] | None, public: str | None) -> tuple[str, ...]:
    """Raises `UsageProblem`."""
    if not named:
        # Without a proxy whoever is on this machine could choose the address that the trail says they came from.
        return _THIS_MACHINE if public is not None else ()
    try:
        return tuple(str(ip_network(each, strict=False)) for each in named)
    except ValueError:
        raise UsageProblem(
            f"--proxy {', '.join(map(shown, named))}: IP addresses such as 192.0.2.7, or networks such as 192.0.2.0/24"
        ) from None
