"""The settings of `transcode`: which there are, what they mean, and what is said where one is wrong. Pure."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stream.media.checking import chosen_input, invalid, validated
from stream.media.numbers import Amount, exact_rate
from stream.media.protocol import Settings
from stream.media.transcode.profiles import PROFILES, Colours, Profile

MAX_SIDE = 8192
MAX_RATE = 120

Fit = Literal["contain", "cover", "stretch"]
Side = Annotated[int, Field(ge=16, le=MAX_SIDE)]


class Loudness(BaseModel):
    """`target_lufs`: integrated loudness of the programme by ITU-R BS.1770 (−23 by EBU R 128, −24 by ATSC A/85). The
    true peak stays below `true_peak_dbtp`: by a limiter, where the gain alone would pass it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    target_lufs: Annotated[Amount, Field(ge=-40, le=-5)]
    true_peak_dbtp: Annotated[Amount, Field(ge=-20, le=-0.1)] = -1.0


class Sounding(BaseModel):
    """`channels`: `source`, or how many; a count that the profile does not have becomes stereo."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    channels: Literal["source", 1, 2, 6] = "source"
    bit_rate_kbps: Annotated[int, Field(ge=16, le=1024)] | None = None
    loudness: Loudness | None = None


class Transcoding(BaseModel):
    """`width` and `height`: of square pixels; one alone keeps the shape, none keeps the source's size within the
    profile's. `fit`: how pictures of another shape fill them. `fps`: a number, a fraction, or `source`. `colours`:
    `keep` HDR, or turn it into `sdr` as every sample of the understanding is (ADR 0008). `sound`: null for none.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    profile: str
    input: str = ""
    width: Side | None = None
    height: Side | None = None
    fit: Fit = "contain"
    fps: str = "source"
    crf: Amount | None = None
    bit_rate_kbps: Annotated[int, Field(ge=50, le=400_000)] | None = None
    colours: Colours | None = None
    sound: Sounding | None = Sounding()

    @property
    def row(self) -> Profile:
        return PROFILES[self.profile]

    @property
    def rate(self) -> Fraction | None:
        """Pictures per second; None: those of the source."""
        return None if self.fps == "source" else Fraction(self.fps)

    @field_validator("profile")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"there is no profile {value[:40]!r}; there are {', '.join(PROFILES)}")
        return value

    @field_validator("fps", mode="before")
    @classmethod
    def _fraction(cls, value: object) -> str:
        if value == "source":
            return "source"
        rate = exact_rate(value)
        if rate is None:
            raise ValueError("give a number such as 25, a fraction such as 30000/1001, or source")
        if not 1 <= rate <= MAX_RATE or rate.denominator > 1001:
            raise ValueError(f"pictures per second are between 1 and {MAX_RATE}, such as 25 or 30000/1001")
        return str(rate)


def checked(settings: Settings, inputs: Sequence[str]) -> Transcoding:
    """With all defaults. Raises `BadRequest` `template_invalid`, which names the field."""
    asked = validated(Transcoding, settings)
    row = asked.row
    name = chosen_input("input", asked.input, inputs)
    crf = _quality(asked)
    _rates(asked)
    if row.size is not None and (asked.width is not None or asked.height is not None):
        raise invalid("width", f"the profile {asked.profile} is always {row.size[0]}x{row.size[1]}: leave it out")
    for field in ("width", "height"):
        if row.pixel_format != "source" and (getattr(asked, field) or 0) % 2:
            raise invalid(field, "give an even number: this profile's pixels share their colours in pairs")
    if asked.colours == "keep" and not row.high_dynamic_range:
        raise invalid("colours", f"the profile {asked.profile} has 8 bit, which cannot hold HDR: give sdr")
    if asked.sound is not None and asked.sound.bit_rate_kbps is not None and not row.sound.bit_rate:
        raise invalid("sound.bit_rate_kbps", f"the sound of {asked.profile} is lossless: leave it out")
    colours = asked.colours or ("keep" if row.high_dynamic_range else "sdr")
    return asked.model_copy(update={"input": name, "crf": crf, "colours": colours})


def _quality(asked: Transcoding) -> float | None:
    """The `crf`; None where a bit rate is given, or the profile fixes it."""
    row = asked.row
    if row.quality is None:
        for field in ("crf", "bit_rate_kbps"):
            if getattr(asked, field) is not None:
                raise invalid(field, f"the profile {asked.profile} fixes it: leave it out")
        return None
    if asked.bit_rate_kbps is not None:
        if asked.crf is not None:
            raise invalid("crf", "give crf or bit_rate_kbps, not both")
        return None
    usual, lowest, highest = row.quality
    if asked.crf is not None and not lowest <= asked.crf <= highest:
        raise invalid("crf", f"between {lowest:g} and {highest:g} for the profile {asked.profile}")
    return usual if asked.crf is None else asked.crf


def _rates(asked: Transcoding) -> None:
    rates = asked.row.rates
    if rates and asked.fps not in ("source", *rates):
        raise invalid("fps", f"the profile {asked.profile} has {' or '.join(rates)}, or source for the nearer one")
