"""The manifest of a finished variant: an in-toto Statement (v1) with SLSA provenance (v1), in a DSSE envelope.

What reproduces the finals stands in `buildDefinition`, what differs from run to run in `runDetails`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stream.events.jobs import TaskAsked
from stream.events.objects import Digest
from stream.jobs.envelopes import ENVELOPE as ENVELOPE  # noqa: PLC0414 - part of what a manifest is
from stream.jobs.envelopes import invalid, sealed, statement_in
from stream.jobs.keys import ENGINE
from stream.jobs.reviews import is_film

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD = "urn:rushes:variant:v1"
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.ASCII)
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Final:
    """A file that a variant gave, as its manifest names it."""

    stage: str
    name: str
    digest: Digest
    media_type: str

    @property
    def is_picture(self) -> bool:
        return self.media_type in _PICTURES.values()

    @property
    def is_film(self) -> bool:
        return is_film(self.media_type)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file of a delivery: a final as it is, a final with content credentials inside (`c2pa`), or credentials beside
    one (`c2pa-sidecar`). `of`: the final's name in the statement, `STAGE/FILE`.
    """

    name: str
    digest: Digest
    media_type: str
    of: str
    kind: str = "final"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a deployment knows of the run that made a variant. `image`: the digest of its container image, if any.
    `key`: signs; None where the deployment has none. `extra`: delivered files with other bytes than their finals.
    """

    release: str
    made_ms: int
    image: str | None = None
    key: Ed25519PrivateKey | None = None
    extra: Sequence[Delivered] = ()
    credentials: str = "none: this deployment has no certificate for content credentials"


def statement_of(task: TaskAsked, run: RunFacts) -> dict[str, Any]:
    """Of a delivery. `subject`: the finals; `resolvedDependencies`: assets, what each stage took, models' weights."""
    settings: Mapping[str, Any] = task.settings
    return {
        "_type": STATEMENT,
        "subject": [
            {
                "name": f"{final['stage']}/{final['name']}",
                "digest": _digest(final["digest"]),
                "mediaType": final["media_type"],
            }
            for final in settings["finals"]
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {
                    "job": task.job,
                    "variant": task.variant,
                    "name": settings["name"],
                    "row": settings["row"],
                    "description": settings["spec"],
                },
                "internalParameters": {"stages": settings["stages"]},
                "resolvedDependencies": _dependencies(settings["stages"], settings.get("assets", {})),
            },
            "runDetails": _run_details(task, run),
        },
    }


def signed(statement: Mapping[str, Any], key: Ed25519PrivateKey | None) -> bytes:
    """Its envelope; without a key it is not signed."""
    return sealed(statement, key)


def opened(envelope: bytes, key: Ed25519PublicKey | None = None) -> dict[str, Any]:
    """The statement of an envelope; with `key`, only if that signed it. Raises `BadRequest` (`manifest_invalid`)."""
    statement = statement_in(envelope, key)
    try:
        right = statement["predicate"]["buildDefinition"]["buildType"] == BUILD
    except (KeyError, TypeError):
        right = False
    if not right:
        raise invalid("it is no manifest of a variant")
    return statement


def finals_of(statement: Mapping[str, Any]) -> tuple[Final, ...]:
    """The files of a statement that `opened` gave. Raises `BadRequest` (`manifest_invalid`)."""
    try:
        return tuple(_final(each) for each in statement["subject"])
    except (KeyError, TypeError, AttributeError):
        raise invalid("it does not name its finals") from None


def shown_of(finals: Sequence[Final]) -> Final | None:
    """What shows a variant at a glance: its first picture, else its first film."""
    picture = next((final for final in finals if final.is_picture), None)
    return picture or next((final for final in finals if final.is_film), None)


def published_of(statement: Mapping[str, Any]) -> tuple[Final, ...]:
    """As `finals_of`, with the bytes that customers get: those with content credentials inside, where there are any."""
    inside = {each.of: each.digest for each in delivered_of(statement) if each.kind == "c2pa"}
    return tuple(
        replace(final, digest=inside.get(f"{final.stage}/{final.name}", final.digest)) for final in finals_of(statement)
    )


def delivered_of(statement: Mapping[str, Any]) -> tuple[Delivered, ...]:
    """The files of a delivery beside its manifest, by their names there. Raises `BadRequest` (`manifest_invalid`)."""
    finals = finals_of(statement)
    try:
        extra = [_extra(each) for each in statement["predicate"]["runDetails"].get("byproducts", ())]
    except (KeyError, TypeError, AttributeError):
        raise invalid("it does not name what was delivered") from None
    inside = {each.of: each for each in extra if each.kind == "c2pa"}
    names = file_names([(final.stage, final.name) for final in finals])
    plain = [
        Delivered(name, final.digest, final.media_type, f"{final.stage}/{final.name}")
        for name, final in zip(names, finals, strict=True)
    ]
    return tuple(inside.get(each.of, each) for each in plain) + tuple(each for each in extra if each.kind != "c2pa")


def file_names(finals: Sequence[tuple[str, str]]) -> list[str]:
    """Of (stage, file) of each final, the name in a folder; where two stages have a file of one name, both say whose
    they are.
    """
    files = [name for _, name in finals]
    return [f"{stage}-{name}" if files.count(name) > 1 else name for stage, name in finals]


def _run_details(task: TaskAsked, run: RunFacts) -> dict[str, Any]:
    settings: Mapping[str, Any] = task.settings
    times = {"invocationId": task.key, "finishedOn": _time(run.made_ms)}
    if (started_ms := settings.get("started_ms")) is not None:
        times["startedOn"] = _time(int(started_ms))
    version = {"rushes": run.release, "engine": str(ENGINE)}
    details: dict[str, Any] = {
        "builder": {"id": "urn:rushes", "version": version},
        "metadata": times,
        "cost": settings["cost"],
        "signing": {
            "manifest": "none: this deployment has no key for manifests" if run.key is None else "Ed25519",
            "credentials": run.credentials,
        },
    }
    if "moderation" in settings:
        details["moderation"] = settings["moderation"]
    if run.image is not None:
        details["builder"]["builderDependencies"] = [{"name": "image", "digest": _digest(run.image)}]
    if run.extra:
        details["byproducts"] = [
            {
                "name": each.name,
                "digest": _digest(each.digest),
                "mediaType": each.media_type,
                "annotations": {"of": each.of, "kind": each.kind},
            }
            for each in run.extra
        ]
    return details


def _dependencies(stages: Sequence[Mapping[str, Any]], assets: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each once, in the order of their digests: inputs, and the weights that toolchains name by digest."""
    found: dict[str, dict[str, Any]] = {}
    names = {asset["digest"]: f"asset/{name}" for name, asset in assets.items()}
    for stage in stages:
        for digest in stage["inputs"].values():
            named: dict[str, Any] = {"name": names[digest]} if digest in names else {}
            found.setdefault(digest, named | {"digest": _digest(digest)})
        for name, value in stage["toolchain"].items():
            if (match := _DIGEST.fullmatch(value)) is not None:
                weights = {"name": f"{stage['operator']}/{name}", "digest": {"sha256": match[1]}}
                found.setdefault(f"sha256:{match[1]}", weights)
    return [found[digest] for digest in sorted(found)]


def _final(subject: Mapping[str, Any]) -> Final:
    stage, _, name = subject["name"].partition("/")
    # Manifests of older releases do not say the type.
    media_type = subject.get("mediaType") or _PICTURES.get(PurePath(name).suffix, _OCTETS)
    return Final(stage, name, f"sha256:{subject['digest']['sha256']}", media_type)


def _extra(each: Mapping[str, Any]) -> Delivered:
    said = each["annotations"]
    return Delivered(each["name"], f"sha256:{each['digest']['sha256']}", each["mediaType"], said["of"], said["kind"])


def _digest(text: str) -> dict[str, str]:
    algorithm, _, value = text.partition(":")
    return {algorithm: value}


def _time(ms: int) -> str:
    """RFC 3339, as SLSA asks for."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
