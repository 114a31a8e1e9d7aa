"""The names of a deployment's topics and groups on a cluster. All other code uses plain names; the Kafka layer and the
generated documents translate (ADR 0034). Pure.
"""

import re
from dataclasses import dataclass

from stream.errors import Fatal

DEFAULT = "rushes"
MAX_NAME = 32
"""A Kubernetes name of 63 characters holds this name and the name of a stage."""
_NAME = re.compile(f"(?=.{{1,{MAX_NAME}}}$)[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one deployment. The default deployment uses plain names, as before deployments had names. For any
    other one, its name and a dot precede every topic, consumer group and the app of the control plane.

    Raises `Fatal` (`invalid_deployment`) for an invalid name.
    """

    deployment: str = DEFAULT

    def __post_init__(self) -> None:
        # Its topic `assets.spans` would be that of a tenant `spans` of the default deployment.
        if self.deployment == "assets":
            raise Fatal("a deployment cannot be named 'assets': choose another name", code="invalid_deployment")
        if not _NAME.fullmatch(self.deployment):
            raise Fatal(
                f"a deployment's name is 1 to {MAX_NAME} characters of a-z and 0-9, with single hyphens between them;"
                f" {self.deployment[:40]!r} is none",
                code="invalid_deployment",
            )

    @property
    def prefix(self) -> str:
        return "" if self.deployment == DEFAULT else f"{self.deployment}."

    def of(self, name: str) -> str:
        """The name of a topic, group or app on the cluster."""
        return self.prefix + name

    def own(self, name: str) -> str:
        """The plain name of a topic; the reverse of `of`."""
        return name.removeprefix(self.prefix)
