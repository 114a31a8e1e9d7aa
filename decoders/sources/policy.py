"""What a URI may name."""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from decoders.sources.limits import SourceLimits, within
from stream.net.connect import ConnectionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePolicy(ConnectionPolicy):
    """What a URI may name. Decode children do not have the policy: their parent opens sources for them.

    Every local path must be under one of `roots` after it is resolved; without roots no local path is allowed. Roots
    are real paths, resolved once when the policy is made (`with_roots`): a link that replaces one later gives no new
    access. `schemes` other than `file`, `http` and `https` are fsspec protocols (`s3`, …). `prefixes` limit those as
    roots limit paths: `s3://bucket/prefix`, in the form of `object_names.prefix_of`. Use sets where there are many.
    Addresses that are not public (`stream.net.addresses`) are refused unless `allow_private_addresses`. `urls` limit
    http and https, redirects too (`limits.is_under_url`); None limits nothing.
    """

    schemes: tuple[str, ...] = ("file", "http", "https")
    roots: Collection[str] = ()
    prefixes: Collection[str] = ()
    urls: Collection[str] | None = None

    def limited_to(self, limits: SourceLimits) -> "SourcePolicy":
        """What lies within this policy and within the limits as well."""
        return replace(
            self,
            roots=within(limits.folders, self.roots),
            prefixes=within(limits.prefixes, self.prefixes),
            urls=limits.urls,
        )

    def with_roots(self, *roots: str | Path) -> "SourcePolicy":
        """The same policy with more roots, such as paths that a person typed. They are resolved
        here and never again.
        """
        return replace(self, roots=frozenset(self.roots).union(map(os.path.realpath, roots)))
