"""What a consumer leaves in its commits for the next owner of a partition. Pure.

A member that dies reports nothing, so each commit reports in advance (ADR 0016): which offsets above its own are
acknowledged already, that the partition is open (a clean leave closes it), and which record is tried alone.
"""

import base64
import binascii
import json
from dataclasses import dataclass, replace

from stream.broker.contract import IN_HAND

MAX_METADATA_BYTES = 4000  # Kafka's `offset.metadata.max.bytes` is 4,096
DEATHS_BEFORE_TRIALS = 2
"""One death is an accident: the work is simply done again. From the second death without progress on, records are
tried alone."""

REACH = (MAX_METADATA_BYTES - 200) // 4 * 3 * 8
"""How many offsets above its own a commit can mark: 22,800. Records acknowledged beyond it would be done again."""


@dataclass(frozen=True, slots=True)
class CommitMetadata:
    """Commit metadata. `acked`: bit i (least significant first) is offset position + i. `deaths`: owners in a row that
    died without progress. `trial`: an offset that `trial_deaths` owners died with while they tried it alone. `trying`:
    the owner tries it now. `topic`: the id of the topic of these offsets; another topic may have its name by now.
    """

    acked: bytes = b""
    open: bool = False
    deaths: int = 0
    trial: int | None = None
    trial_deaths: int = 0
    trying: bool = False
    topic: str = ""

    def to_text(self) -> str:
        """At most `MAX_METADATA_BYTES`. A bitmap that is too long loses its tail; that work is done twice."""
        fields: dict[str, object] = {"open": self.open}
        if self.topic:
            fields["topic"] = self.topic
        if self.deaths:
            fields["deaths"] = self.deaths
        if self.trial is not None:
            fields |= {"trial": self.trial, "trial_deaths": self.trial_deaths, "trying": self.trying}
        # Base64 makes four characters of three bytes, and a group of four must not be cut.
        room = (MAX_METADATA_BYTES - len(json.dumps(fields)) - len(', "acked": ""')) // 4 * 3
        if acked := self.acked[:room]:
            fields["acked"] = base64.b64encode(acked).decode()
        return json.dumps(fields)

    @classmethod
    def from_text(cls, text: str | None) -> "CommitMetadata":
        """Text that is no metadata of ours (another tool committed) gives empty metadata."""
        try:
            fields = json.loads(text or "{}")
            return cls(
                acked=base64.b64decode(fields.get("acked", ""), validate=True),
                open=fields.get("open") is True,
                deaths=int(fields.get("deaths", 0)),
                trial=None if fields.get("trial") is None else int(fields["trial"]),
                trial_deaths=int(fields.get("trial_deaths", 0)),
                trying=fields.get("trying") is True,
                topic=str(fields.get("topic", "")),
            )
        except (ValueError, TypeError, AttributeError, binascii.Error):
            return cls()

    def without_trial(self) -> "CommitMetadata":
        return replace(self, trial=None, trial_deaths=0, trying=False)

    def of_another(self, position: int, topic_id: str, end: int) -> bool:
        """Whether the commit at `position` belongs to a deleted topic instead of the one with this id and end that now
        has its name. A commit without a topic id belongs to the present topic unless it lies beyond its end.
        """
        return self.topic != topic_id if self.topic and topic_id else position > end

    def acked_offsets(self, position: int) -> frozenset[int]:
        bits = int.from_bytes(self.acked, "little")
        return frozenset(position + at for at in range(bits.bit_length()) if bits >> at & 1)


@dataclass(frozen=True, slots=True)
class PartitionStart:
    """How a new owner begins: at `position`, without the `acked` offsets, with `note` to commit at once. Records below
    `trials_until` must be tried alone.
    """

    position: int
    acked: frozenset[int]
    note: CommitMetadata
    trials_until: int = 0

    def deaths(self, offset: int) -> int | None:
        """How many workers died while they tried this record alone; None for a record that is not suspected."""
        if offset >= self.trials_until:
            return None
        return self.note.trial_deaths if self.note.trial == offset else 0


def take_over(position: int, left: CommitMetadata, in_hand: int = IN_HAND) -> PartitionStart:
    """Judge the metadata that the last owner `left` at `position`. That owner held at most `in_hand` records in any
    order. A death before it tried the suspect record, or while a store was unavailable, does not count against the
    record.
    """
    acked = left.acked_offsets(position)
    if not left.open:
        return PartitionStart(position, acked, CommitMetadata(acked=left.acked, open=True))
    alone = left.trial is not None and left.trial >= position and left.trial not in acked
    note = replace(
        left,
        deaths=left.deaths + 1,
        trial=left.trial if alone else None,
        trial_deaths=left.trial_deaths + left.trying if alone else 0,
        trying=False,
    )
    suspected = alone or note.deaths >= DEATHS_BEFORE_TRIALS
    # Suspect is every record that the dead owner may have held: up to `in_hand` beyond its highest acknowledgement.
    return PartitionStart(position, acked, note, max(acked, default=position) + in_hand if suspected else 0)
