"""Content credentials of finals: what their manifest says, in the words of C2PA."""

import mimetypes
from importlib.metadata import version
from pathlib import Path, PurePath

from sinks.objects.delivery import Credential, FinalToDeliver
from stream.events.jobs import TaskAsked
from stream.jobs.origins import Ingredient, origin_of
from stream.media.credentials import SIDECAR_TYPE, ContentCredentials, CredentialClaim

_OCTETS = "application/octet-stream"


class FinalCredentials:
    """`sinks.objects.delivery.Credentials`."""

    def __init__(self, credentials: ContentCredentials) -> None:
        self._credentials = credentials

    @property
    def fingerprint(self) -> str:
        return self._credentials.fingerprint

    def made(self, task: TaskAsked, final: FinalToDeliver, folder: Path) -> Credential | None:
        # The playlists of a package name ranges of its files.
        fixed = _operator(task, final) == "package"
        kind = self._credentials.kind(final.file.media_type, final.file.size, fixed=fixed)
        if kind is None:
            return None
        origin = origin_of(task.settings, final.file.digest)
        taken = [(each.name, _media_type(each), f"urn:{each.digest}") for each in origin.ingredients]
        claim = CredentialClaim(final.name, final.file.digest, origin.source_type, taken, version("rushes"))
        path = folder / f"{final.file.digest.removeprefix('sha256:')}.signed"
        self._credentials.sign(final.path, final.file.media_type, claim, path, beside=kind == "beside")
        if kind == "inside":
            return Credential(final.of, final.name, path, final.file.media_type, "c2pa")
        return Credential(final.of, f"{final.name}.c2pa", path, SIDECAR_TYPE, "c2pa-sidecar")


def _operator(task: TaskAsked, final: FinalToDeliver) -> str:
    stages = task.settings["stages"]
    assert isinstance(stages, list), "as the coordinator writes it"
    named = (stage for stage in stages if isinstance(stage, dict) and stage["name"] == final.of.partition("/")[0])
    return str(next(named)["operator"])


def _media_type(ingredient: Ingredient) -> str:
    # By its name alone, as whoever submitted the job named it.
    found, _ = mimetypes.guess_type(PurePath(ingredient.file).name, strict=True)
    return found or _OCTETS
