"""What the settings of `transcode` may be, and what is said where one is wrong."""

from fractions import Fraction

import pytest

from stream.errors import BadRequest
from stream.media.transcode.operator import Transcode
from stream.media.transcode.profiles import PROFILES


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "profile: "),
        ({"profile": "h266"}, "there is no profile 'h266'; there are h264_web"),
        ({"profile": "h264_web", "width": 10}, "width: "),
        ({"profile": "h264_web", "width": 1281}, "width: .*even"),
        ({"profile": "prores_422", "crf": 3}, "crf: the profile prores_422 fixes it"),
        ({"profile": "h264_web", "crf": 99}, "crf: between 1 and 51"),
        ({"profile": "h264_web", "crf": 20, "bit_rate_kbps": 900}, "crf: give crf or bit_rate_kbps"),
        ({"profile": "h264_web", "fps": "25/0"}, "fps: give a number such as 25"),
        ({"profile": "h264_web", "fps": 1000}, "fps: .*between 1 and 120"),
        ({"profile": "h264_web", "fps": [25]}, "fps: give a number"),
        ({"profile": "xdcam_hd422", "fps": 50}, "fps: the profile xdcam_hd422 has 25 or 30000/1001"),
        ({"profile": "xdcam_hd422", "height": 720}, "always 1920x1080"),
        ({"profile": "h264_web", "colours": "keep"}, "colours: .*8 bit"),
        ({"profile": "h264_web", "sound": {"channels": 3}}, "sound.channels"),
        ({"profile": "h264_web", "sound": {"loudness": {}}}, "sound.loudness.target_lufs"),
        ({"profile": "h264_web", "sound": {"loudness": {"target_lufs": 0}}}, "target_lufs"),
        ({"profile": "mezzanine", "sound": {"bit_rate_kbps": 128}}, "sound.bit_rate_kbps: .*lossless"),
        ({"profile": "h264_web", "input": "other"}, "input: there is no input 'other'; there are source"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        Transcode().check(settings, ["source"])  # type: ignore[arg-type]  # JSON of any kind comes in
    assert caught.value.code == "template_invalid"


def test_the_input_must_be_clear() -> None:
    with pytest.raises(BadRequest, match="input: say which input: there are a, b"):
        Transcode().check({"profile": "h264_web"}, ["a", "b"])
    assert Transcode().check({"profile": "h264_web", "input": "b"}, ["a", "b"])["input"] == "b"


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_defaults_are_filled_in(name: str) -> None:
    settings = Transcode().check({"profile": name}, ["source"])
    row = PROFILES[name]
    assert settings["crf"] == (row.quality[0] if row.quality else None)
    assert settings["colours"] == ("keep" if row.high_dynamic_range else "sdr")
    assert settings["fps"] == "source"
    assert all(Fraction(rate) for rate in row.rates)


def test_a_rate_has_one_spelling() -> None:
    """It is part of the stage's key."""
    asked = (25, "25", 25.0, "25/1", "25.0")
    assert {Transcode().check({"profile": "h264_web", "fps": fps}, ["source"])["fps"] for fps in asked} == {"25"}
