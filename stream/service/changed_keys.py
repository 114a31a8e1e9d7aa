"""How the trail names a key, for the command line too."""

from stream.access.records import ApiKey
from stream.audit.rights import ChangedRights


def changed_key(key: ApiKey) -> ChangedRights:
    """Whose it is, and what it is restricted to."""
    return ChangedRights(key.principal, tuple(key.roles or ()), key.project, key_id=key.key_id)
