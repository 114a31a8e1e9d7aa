"""Finals as footage of their own: each is published once, understood like any other, and judged before it is delivered
where the template has a policy.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from stream.clock import Clock
from stream.errors import Unavailable
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.events.ids import typed_digest
from stream.events.objects import Digest, StoredFile
from stream.jobs.register import JobRegister, JobRow, VariantRow
from stream.jobs.template import Moderation

REVIEW = "review"
AWAITED = "moderation_awaited"
LOOK_S = 2.0
_MOST_LOOKED = 50
"""Finals of one look: the others are those of the next ones."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What understanding says of a final. `nsfw`: the highest score of its moments; None where none has one. `fault`:
    why parts of it could not be looked at; empty where all were.
    """

    nsfw: float | None
    fault: str = ""


class Verdicts(Protocol):
    """What the index knows of published finals."""

    def of(self, tenant: str, asset_id: str) -> Verdict | None:
        """None until the asset is final. Raises `Unavailable`."""


def asset_of(project: str, digest: Digest) -> str:
    """The asset that a final is. Equal finals of a project are one."""
    return f"final-{typed_digest('final', project, digest)[:32]}"


def is_film(media_type: str) -> bool:
    """Whether understanding takes a file of this type."""
    return media_type.startswith("video/") or media_type == "application/mxf"


_WITHOUT_PICTURES = ("text/", "audio/", "application/json", "application/xml")
_PLAYLISTS = frozenset({"application/dash+xml", "application/vnd.apple.mpegurl"})


def is_unseen(media_type: str) -> bool:
    """Whether it may show something that no moderation sees: a still, or a file of which nobody knows what it holds."""
    harmless = media_type in _PLAYLISTS or media_type.startswith(_WITHOUT_PICTURES)
    return not is_film(media_type) and not harmless


class Reviews:
    """Works within the transaction of its caller."""

    def __init__(self, register: JobRegister, uri: Callable[[str, Digest], str], clock: Clock) -> None:
        self._register = register
        self._uri = uri
        self._clock = clock

    def _publish(self, job: JobRow, variant: VariantRow, finals: Iterable[StoredFile]) -> None:
        """Enter the films among the finals that are not entered yet."""
        for file in finals:
            body = AssetPublished(
                uri=self._uri(job.tenant, file.digest),
                asset_id=asset_of(job.project, file.digest),
                size_bytes=file.size,
                labels={"job_id": job.name, "variant_id": variant.id},
                priority="batch",
            )
            self._register.change(
                "INSERT OR IGNORE INTO review (tenant, asset, project, made_ms, body) VALUES (?, ?, ?, ?, ?)",
                job.tenant,
                body.asset_id,
                job.project,
                self._clock.now_ms(),
                body.to_bytes().decode(),
            )

    def leaving(self, run: str) -> list[Event[AssetPublished]]:
        """Those of which nothing is known yet and that have not left in this run. They leave again in the next one, as
        nobody says whether they are on the topic; whoever plans them does nothing twice.
        """
        # Two ranges: the index gives those of other runs, however many there are of this one.
        open_ = "SELECT * FROM review WHERE verdict IS NULL AND sent"
        rows = self._register.all(f"{open_} < ? UNION ALL {open_} > ?", run, run)
        for row in rows:
            self._register.change(
                "UPDATE review SET sent = ? WHERE tenant = ? AND asset = ?", run, row["tenant"], row["asset"]
            )
        return [
            Event(
                data=AssetPublished.from_bytes(row["body"].encode()),
                tenant=row["tenant"],
                project=row["project"],
                subject=row["asset"],
                event_time_ms=row["made_ms"],
                id=typed_digest("final published", row["tenant"], row["asset"]),
                source="job",
            )
            for row in rows
        ]

    def _verdict(self, tenant: str, asset: str) -> Verdict | None:
        found = self._register.one("SELECT verdict FROM review WHERE tenant = ? AND asset = ?", tenant, asset)
        return None if found is None or found["verdict"] is None else Verdict(**json.loads(found["verdict"]))

    def judge(
        self, job: JobRow, variant: VariantRow, policy: Moderation | None, finals: Mapping[str, StoredFile]
    ) -> tuple[dict[str, Any] | None, list[str]]:
        """Publish the films among the finals, and say what the manifest tells of them and what the policy objects to.
        Neither: the variant waits until they are understood.
        """
        films = {name: file for name, file in finals.items() if is_film(file.media_type)}
        unseen = [name for name, file in finals.items() if is_unseen(file.media_type)]
        self._publish(job, variant, films.values())
        assets = {name: asset_of(job.project, file.digest) for name, file in films.items()}
        verdicts = {name: self._verdict(job.tenant, asset) for name, asset in assets.items()}
        if policy is not None and not variant.released:
            if open_ := [assets[name] for name, verdict in verdicts.items() if verdict is None]:
                self._await(job, variant, open_)
                return None, []
            found = [_objection(policy, name, verdict) for name, verdict in verdicts.items() if verdict is not None]
            found += [f"{name} is no film, and nothing moderates it" for name in unseen]
            if objections := [text for text in found if text]:
                return None, objections
        if variant.code == AWAITED:
            self._register.tell_variant(job.id, variant.number, code="", message="")
        scores = {name: None if verdict is None else verdict.nsfw for name, verdict in verdicts.items()}
        limit = None if policy is None else policy.nsfw_below
        told = {"nsfw_below": limit, "nsfw": scores, "released": bool(variant.released)}
        # Named where there are any: whoever reads the manifest should not take them for moderated.
        return {"moderation": {**told, "not_moderated": unseen} if unseen else told}, []

    def _await(self, job: JobRow, variant: VariantRow, assets: Sequence[str]) -> None:
        for place, asset in enumerate(dict.fromkeys(assets)):
            self._register.change(
                "INSERT OR REPLACE INTO need (job, number, stage, kind, part, task, stage_key)"
                " VALUES (?, ?, ?, ?, ?, NULL, ?)",
                job.id,
                variant.number,
                variant.stage,
                REVIEW,
                place,
                asset,
            )
        message = "its finals are delivered when they are understood and moderated"
        self._register.tell_variant(job.id, variant.number, code=AWAITED, message=message)

    def look(self, verdicts: Verdicts) -> list[tuple[int, int]]:
        """Ask for the oldest that are open; (job, number) of the variants that waited for what is known now."""
        rows = self._register.all(
            "SELECT tenant, asset FROM review WHERE verdict IS NULL ORDER BY looked_ms, made_ms LIMIT ?", _MOST_LOOKED
        )
        found: list[tuple[int, int]] = []
        for row in rows:
            try:
                verdict = verdicts.of(row["tenant"], row["asset"])
            except Unavailable:
                break  # the next look asks again
            self._register.change(
                "UPDATE review SET looked_ms = ? WHERE tenant = ? AND asset = ?",
                self._clock.now_ms(),
                row["tenant"],
                row["asset"],
            )
            if verdict is not None:
                found += self._judged(row["tenant"], row["asset"], verdict)
        return found

    def _judged(self, tenant: str, asset: str, verdict: Verdict) -> list[tuple[int, int]]:
        self._register.change(
            "UPDATE review SET verdict = ? WHERE tenant = ? AND asset = ?",
            json.dumps(asdict(verdict)),
            tenant,
            asset,
        )
        waiting = self._register.all(
            "SELECT need.job, need.number FROM need JOIN job ON job.id = need.job"
            " WHERE need.kind = ? AND need.stage_key = ? AND job.tenant = ?",
            REVIEW,
            asset,
            tenant,
        )
        for row in waiting:
            self._register.change(
                "DELETE FROM need WHERE job = ? AND number = ? AND kind = ? AND stage_key = ?",
                row["job"],
                row["number"],
                REVIEW,
                asset,
            )
        return [(row["job"], row["number"]) for row in waiting]


def _objection(policy: Moderation, name: str, verdict: Verdict) -> str:
    """Why a final may not be delivered; empty where it may."""
    if verdict.nsfw is not None and verdict.nsfw >= policy.nsfw_below:
        return f"{name} scores {verdict.nsfw:.2g}, and the template takes less than {policy.nsfw_below:g}"
    if verdict.fault:
        return f"{name} could not be looked at as a whole: {verdict.fault}"
    if verdict.nsfw is None:
        return f"{name} has no score: nothing in it could be moderated"
    return ""
