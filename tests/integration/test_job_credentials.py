"""Content credentials of finals, read by a validator that shares no code with what signed them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import c2pa
import encypher_c2pa
import pytest

from stream.errors import Fatal
from stream.jobs.manifest import delivered_of, finals_of, opened
from stream.media import REGISTRY
from stream.media.credentials import ContentCredentials
from stream.sessions.job_verification import verify_delivery
from tests.integration.test_job_delivery import control
from tests.support.certificates import Certified, certified
from tests.support.finished_jobs import finished_job

TEMPLATE = """
version: 1
name: spring
assets: {logo: logo.png}
stages:
  - name: draw
    operator: composite
    inputs: {logo: "asset:logo"}
    settings:
      {width: 64, height: 64, duration: 1, background: "#204080", layers: [{kind: logo, input: logo}]}
  - {name: web, operator: transcode, inputs: {video: "stage:draw"}, settings: {profile: h264_web}}
  - {name: master, operator: transcode, inputs: {video: "stage:draw"}, settings: {profile: prores_422_lt}}
  - {name: vp9, operator: transcode, inputs: {video: "stage:draw"}, settings: {profile: vp9}}
finals: [web, master, vp9]
publish: {understand: true}
"""


@pytest.fixture(scope="module")
def made() -> Certified:
    return certified()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The validator keeps a preference there.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def verdict(made: Certified, path: Path, media_type: str) -> dict[str, Any]:
    return dict(encypher_c2pa.verify(path, media_type, trust_pem=made.root, no_default_trust=True, telemetry=False))


def state_beside(made: Certified, path: Path, media_type: str, store: bytes) -> str | None:
    """As the library says that signed it: the other one takes no WebM."""
    context = c2pa.Context(c2pa.Settings.from_dict({"trust": {"user_anchors": made.root}}))
    with path.open("rb") as file, c2pa.Reader(media_type, file, store, context=context) as reader:
        found: str | None = reader.get_validation_state()
    return found


def changed(path: Path, place: int) -> Path:
    """A copy with one byte changed."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    other = path.with_name(f"changed{path.suffix}")
    other.write_bytes(content)
    return other


@pytest.mark.usefixtures("quiet")
def test_finals_carry_credentials_that_a_stranger_validates(made: Certified, tmp_path: Path) -> None:
    from PIL import Image

    state = tmp_path / "state"
    state.mkdir()
    Image.new("RGB", (32, 32), "#f0c040").save(state / "logo.png")
    arguments: dict[str, Any] = {
        "template": TEMPLATE,
        "deliver_to": tmp_path / "out",
        "credentials": made.settings,
        "operators": tuple(REGISTRY.items()),
    }
    jobs = finished_job(state, "acme", "ads", **arguments)
    (folder,) = (tmp_path / "out/spring").iterdir()
    envelope = (folder / "manifest.json").read_bytes()
    statement = opened(envelope)
    film, _, other = finals_of(statement)
    inside, master, plain, beside = delivered_of(statement)
    assert [each.kind for each in delivered_of(statement)] == ["c2pa", "c2pa", "final", "c2pa-sidecar"]
    assert verify_delivery(envelope, None, folder).holds
    # They are on the topic of footage, and nothing waits for what becomes of them.
    assert statement["predicate"]["runDetails"]["moderation"]["nsfw"]["web/video.mp4"] is None
    said = verdict(made, folder / inside.name, "video/mp4")["manifest_report"]["manifests"]
    (labels,) = ({each["label"]: each["data"] for each in manifest["assertions"]} for manifest in said.values())
    created = labels["c2pa.actions.v2"]["actions"][0]
    assert created["digitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/composite"
    assert labels["c2pa.ingredient.v3"]["dc:title"] == "logo"
    assert labels["org.rushes.final"]["digest"] == film.digest
    for each in (inside, master):
        assert trusted(verdict(made, folder / each.name, each.media_type)), each.name
        assert not trusted(verdict(made, changed(folder / each.name, -2000), each.media_type)), (
            "a changed byte is found"
        )
    store = (folder / beside.name).read_bytes()
    assert state_beside(made, folder / plain.name, "video/webm", store) == "Trusted"
    assert state_beside(made, changed(folder / plain.name, 700), "video/webm", store) == "Invalid"
    # The ledger holds the final without; its pictures are the same.
    unsigned = jobs.store.of("acme").fetch(film.digest, tmp_path)
    assert film.digest != inside.digest
    assert pictures(unsigned) == pictures(folder / inside.name)
    assert other.digest == plain.digest
    before = (folder / inside.name).read_bytes()
    (folder / inside.name).unlink()
    control(jobs, "deliver")
    assert (folder / inside.name).read_bytes() == before, "signed once: what is brought again is the same"


def trusted(report: dict[str, Any]) -> bool:
    return bool(report["integrity"] == "valid" and report["validation_state"] == "Trusted")


def pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(frame.to_ndarray().tobytes()) for frame in container.decode(video=0)]


def test_certificates_that_cannot_sign_are_told_of_before_anything_is_made(made: Certified) -> None:
    other = certified().settings
    with pytest.raises(Fatal, match="the key is not that of the first certificate"):
        ContentCredentials(replace(made.settings, key=other.key))
    root_first = b"".join(reversed(made.settings.chain.partition(b"-----END CERTIFICATE-----\n")))
    for chain in (b"", b"no certificate", root_first):
        with pytest.raises(Fatal) as caught:
            ContentCredentials(replace(made.settings, chain=chain))
        assert caught.value.code == "credentials_unusable"
    assert "PRIVATE" not in repr(made.settings)
