"""Where the footage lies that people upload: a folder for each tenant, which no other tenant's events may name."""

import hashlib
import os
from dataclasses import replace

from decoders.sources.policy import SourcePolicy
from sinks.location import Location


def upload_folder(uploads: Location, tenant: str) -> Location:
    """The tenant's part of `uploads`."""
    # Not the name: file systems may take `Acme` and `acme` for one, and stores refuse some characters.
    return uploads.child(hashlib.sha256(tenant.encode()).hexdigest()[:32])


class UploadRoots:
    """What each tenant may read of `uploads`. A link that takes the place of the folder later gives no new access."""

    def __init__(self, uploads: Location) -> None:
        self._uploads = uploads if uploads.path is None else Location.of(os.path.realpath(uploads.path))

    def added_to(self, policy: SourcePolicy, tenant: str) -> SourcePolicy:
        """The policy with the tenant's own uploads."""
        mine = upload_folder(self._uploads, tenant)
        if mine.path is not None:
            return replace(policy, roots=frozenset(policy.roots) | {mine.uri})
        scheme = mine.uri.partition("://")[0]
        return replace(
            policy,
            prefixes=frozenset(policy.prefixes) | {mine.uri},
            schemes=tuple(dict.fromkeys((*policy.schemes, scheme))),
        )
