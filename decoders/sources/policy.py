"""What a uri may name."""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from stream.net.connect import ConnectionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePolicy(ConnectionPolicy):
    """What a uri may name. Decode children do not know it: their parent opens for them.

    `roots` bound every local path after it is resolved; none allows no local path at all. They are real paths, resolved
    once by whoever makes the policy (`with_roots`): a link that is put in their place later widens nothing. `schemes`
    beside `file`, `http` and `https` are fsspec protocols (`s3`, …), and `prefixes` bound them as roots bound paths:
    `s3://bucket/prefix`, in the form of `objects.prefix_of`. Sets, where there are many. Addresses that are not public
    (`stream.net.addresses`) are refused unless `allow_private_addresses`.
    """

    schemes: tuple[str, ...] = ("file", "http", "https")
    roots: Collection[str] = ()
    prefixes: Collection[str] = ()

    def with_roots(self, *roots: str | Path) -> "SourcePolicy":
        """The same policy with further roots, such as the paths a person typed. Resolved here, and never again."""
        return replace(self, roots=frozenset(self.roots).union(map(os.path.realpath, roots)))
