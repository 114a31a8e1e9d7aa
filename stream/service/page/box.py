"""What stands in the search box: words, and filter tokens such as `tenant:acme` among them (pure)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream.service.problems import Problem

KEYS = {
    "tenant": "whose footage it is",
    "project": "what it belongs to",
    "label": "a label of the asset, as label:show=pilot",
    "tag": "a tag of the moment, as tag:bicycle; several must all be there",
    "kind": "the kind of moment, as kind:visual",
    "from": "moments that end after this time, as from:90 or from:1:30",
    "to": "moments that begin before this time",
    "shot-from": "hits in shots of so many seconds or more",
    "shot-to": "hits in shots of no more seconds",
    "nsfw-from": "moments with this score of moderation or more, 0 to 1",
    "nsfw-below": "moments with a lower score of moderation",
    "model": "moments that a model of this name or digest made",
}
"""What can be filtered by, and what it means."""

_MANY = frozenset({"label", "tag"})
_TIMES = frozenset({"from", "to", "shot-from", "shot-to"})
_TOKEN = re.compile(rf'(?<!\S)(?P<key>{"|".join(KEYS)}):(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))(?!\S)')
_TIME = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d{1,9})?)")


@dataclass(frozen=True, slots=True)
class FilterToken:
    """One filter, as it is written in the box."""

    key: str
    value: str

    def __str__(self) -> str:
        quoted = not self.value or any(char.isspace() for char in self.value)
        return f'{self.key}:"{self.value}"' if quoted else f"{self.key}:{self.value}"


@dataclass(frozen=True, slots=True)
class BoxText:
    """What was typed, taken apart. What is no token is words."""

    words: str
    tokens: tuple[FilterToken, ...] = ()

    @classmethod
    def of(cls, text: str) -> "BoxText":
        tokens = tuple(
            FilterToken(found["key"], found["plain"] if found["quoted"] is None else found["quoted"])
            for found in _TOKEN.finditer(text)
        )
        return cls(" ".join(_TOKEN.sub(" ", text).split()), tokens)

    @classmethod
    def saying(cls, words: str, filters: Mapping[str, Any]) -> "BoxText":
        """The text whose `filters` are these. What is no filter of the box is left out."""
        given = [(key, filters.get(key.replace("-", "_"))) for key in KEYS]
        return cls(
            " ".join(words.split()),
            tuple(
                FilterToken(key, _written(value))
                for key, values in given
                if values is not None
                for value in (values if isinstance(values, list) else [values])
            ),
        )

    def __str__(self) -> str:
        return " ".join([*([self.words] if self.words else []), *map(str, self.tokens)])

    def without(self, index: int) -> "BoxText":
        """Without one token, by its place."""
        return BoxText(self.words, self.tokens[:index] + self.tokens[index + 1 :])

    def toggled(self, token: FilterToken) -> "BoxText":
        """Without the token where it has it, else with it."""
        if token in self.tokens:
            return self.without(self.tokens.index(token))
        # One of a kind gives way to another; what cannot be together would find nothing.
        kept = tuple(held for held in self.tokens if held.key != token.key or held.key in _MANY)
        return BoxText(self.words, (*kept, token))

    def filters(self) -> dict[str, Any]:
        """As parameters of `/v1/search`. Raises `Problem` (`bad_filter`)."""
        found: dict[str, Any] = {}
        for key in dict.fromkeys(token.key for token in self.tokens):
            values = [token.value for token in self.tokens if token.key == key]
            found[key.replace("-", "_")] = values if key in _MANY else _single(key, values)
        return found


def _written(value: str | float) -> str:
    # Scores and seconds are read with a point, and never as `1e-05`.
    return value if isinstance(value, str) else f"{value:.9f}".rstrip("0").rstrip(".")


def _single(key: str, values: Sequence[str]) -> str | float:
    if len(values) > 1:
        raise Problem(400, f"`{key}:` stands there {len(values)} times: leave one.", code="bad_filter")
    return _seconds(key, values[0]) if key in _TIMES else values[0]


def _seconds(key: str, text: str) -> float:
    """Of seconds, `m:ss` or `h:mm:ss`, each with a fraction."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise Problem(400, f"`{key}:` takes seconds or a time such as 1:30 or 01:02:03.5.", code="bad_filter")
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
