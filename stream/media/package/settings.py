"""The settings of `package`, and what is said where one is wrong. Pure."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from stream.media.checking import chosen_input, invalid, validated
from stream.media.numbers import Amount
from stream.media.protocol import Settings

Url = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,2000}$")]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f\ufffe\uffff]{1,200}$")]


class AdTag(BaseModel):
    """VAST 4.2. `ad_id`: the Ad-ID of the creative, or its id in another `registry`. `url_prefix`: where the package
    will lie, with the slash at its end. `progressive_url`: the film itself as one file. `tracking_url`: gets the
    events of the player in place of `{event}`. `mezzanine_url`: a file of high quality of type `mezzanine_type`, for
    servers that put ads into streams.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    ad_id: Words
    title: Words
    url_prefix: Url
    impression_url: Url
    registry: Words = "ad-id.org"
    advertiser: Words | None = None
    click_through_url: Url | None = None
    tracking_url: Url | None = None
    progressive_url: Url | None = None
    mezzanine_url: Url | None = None
    mezzanine_type: Literal["video/mp4", "video/quicktime", "application/mxf"] = "video/mp4"


class Captions(BaseModel):
    """A WebVTT file beside the film. `language`: its BCP 47 tag. `name`: what players call it, else its language; no
    two have the same.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input: Annotated[str, Field(min_length=1, max_length=64)]
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f\"\ufffe\uffff]{0,100}$")] = ""

    @property
    def called(self) -> str:
        """The NAME of its rendition, which no other one of the group has (RFC 8216, 4.3.4.1.1)."""
        return self.name or self.language

    @property
    def file(self) -> str:
        """Without its suffix."""
        return f"captions-{self.language}"


class Packaging(BaseModel):
    """`sound`: whether the film has sound, which decides the files. `poster_s`: which picture is the poster; null: the
    one at a tenth of the film. `sprite_s`: seconds between the sprites, of which there are at most 100; `sprite_width`:
    of each. `captions`: in the order in which players offer them. `vast`: null for no ad tag.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input: str = ""
    sound: bool = True
    poster_s: Annotated[Amount, Field(ge=0, le=86_400)] | None = None
    sprite_s: Annotated[Amount, Field(ge=0.1, le=3600)] = 2.0
    sprite_width: Annotated[int, Field(ge=32, le=640)] = 160
    captions: list[Captions] = Field(default_factory=list, max_length=50)
    vast: AdTag | None = None


def checked_packaging(settings: Settings, inputs: Sequence[str]) -> Packaging:
    """With all defaults. Raises `BadRequest` `template_invalid`, which names the field."""
    asked = validated(Packaging, settings)
    if asked.vast is not None and not asked.vast.url_prefix.endswith("/"):
        raise invalid("vast.url_prefix", "it must end with /, as names of files are put behind it")
    for index, each in enumerate(asked.captions):
        chosen_input(f"captions.{index}.input", each.input, inputs)
        if each.language.lower() in {other.language.lower() for other in asked.captions[:index]}:
            raise invalid(f"captions.{index}.language", f"{each.language} stands there twice")
        if each.called in {other.called for other in asked.captions[:index]}:
            raise invalid(f"captions.{index}.name", f"{each.called!r} is the name of others before: give it its own")
    films = [name for name in inputs if name not in {each.input for each in asked.captions}]
    return asked.model_copy(update={"input": chosen_input("input", asked.input, films)})
