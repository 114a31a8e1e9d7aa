"""The register of access as a table of records, and what it says of one principal (pure)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from stream.access.records import ApiKey, Grant, Team, team


class AccessRegister:
    """Records by key; the order of different keys does not matter. Not thread-safe. `revision` grows with each change,
    so that what was decided by an older one can be told.
    """

    def __init__(self, records: Iterable[Team | Grant | ApiKey] = ()) -> None:
        self._records: dict[str, Team | Grant | ApiKey] = {}
        self._by_holder: defaultdict[tuple[str | None, str], set[str]] = defaultdict(set)
        self._teams_of: defaultdict[str, set[str]] = defaultdict(set)
        self._by_digest: dict[str, str] = {}
        self.revision = 0
        for record in records:
            self.put(record.key, record)

    def put(self, key: str, record: Team | Grant | ApiKey | None) -> None:
        """In place of what has this key; None takes it away."""
        old = self._records.pop(key, None)
        # First, or members that a team lost would keep its roles.
        if old is not None:
            self._unlink(old)
        if record is not None:
            self._records[key] = record
            self._link(record)
        self.revision += 1

    def grants_of(self, holder: str, tenant: str | None = None) -> Iterator[tuple[Grant, str | None]]:
        """Every grant that reaches a principal, with the name of the team through which it does, if through one; with
        `tenant`: every grant of a team of this tenant.
        """
        # `get`, as indexing a defaultdict would add an entry for every stranger.
        for key in sorted(self._by_holder.get((tenant, holder), ())):
            yield self._grant(key), None
        for key in sorted(self._teams_of.get(holder, ())):
            group = self._records[key]
            assert isinstance(group, Team)
            for held in sorted(self._by_holder.get((group.tenant, team(group.name)), ())):
                yield self._grant(held), group.name

    def key_with(self, digest: str) -> ApiKey | None:
        """The key of this digest."""
        found = self._records.get(self._by_digest.get(digest, ""))
        return found if isinstance(found, ApiKey) else None

    def records(self, tenant: str | None = None) -> list[Team | Grant | ApiKey]:
        """In order of their keys; those of one tenant, if it is named."""
        found = (self._records[key] for key in sorted(self._records))
        return [record for record in found if tenant is None or record.tenant == tenant]

    def get(self, key: str) -> Team | Grant | ApiKey | None:
        return self._records.get(key)

    def _link(self, record: Team | Grant | ApiKey) -> None:
        if isinstance(record, Grant):
            self._by_holder[_holder(record)].add(record.key)
        elif isinstance(record, Team):
            for member in record.members:
                self._teams_of[member].add(record.key)
        else:
            self._by_digest[record.digest] = record.key

    def _unlink(self, record: Team | Grant | ApiKey) -> None:
        if isinstance(record, Grant):
            self._by_holder[_holder(record)].discard(record.key)
        elif isinstance(record, Team):
            for member in record.members:
                self._teams_of[member].discard(record.key)
        else:
            self._by_digest.pop(record.digest, None)

    def _grant(self, key: str) -> Grant:
        found = self._records[key]
        assert isinstance(found, Grant)
        return found


def _holder(grant: Grant) -> tuple[str | None, str]:
    """A team's name means something in its tenant alone: the same name elsewhere is another team."""
    return (grant.tenant if grant.holder.startswith(team("")) else None, grant.holder)
