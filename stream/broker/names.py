"""The names that a deployment has on a cluster. Everything else calls topics and stages by their own names; the Kafka
layer and generated documents translate. Pure.
"""

import re
from dataclasses import dataclass

from stream.errors import Fatal

DEFAULT = "rushes"
MAX_NAME = 32
"""A Kubernetes name of 63 characters is made of it and a stage's name."""
_NAME = re.compile(f"(?=.{{1,{MAX_NAME}}}$)[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Names:
    """Of one deployment. That of the default name are bare, as they were before there was a second one; another name
    and a dot precede everything of its own: topics, consumer groups, the control plane's app.

    Raises `Fatal` (`invalid_deployment`) for what is no name.
    """

    deployment: str = DEFAULT

    def __post_init__(self) -> None:
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
        """A topic, group or app as the cluster calls it."""
        return self.prefix + name

    def own(self, name: str) -> str:
        """A topic as everything else calls it; the reverse of `of`."""
        return name.removeprefix(self.prefix)
