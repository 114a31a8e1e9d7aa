"""Settings whose words alone differ come to what they come to by themselves, and are refused as by themselves."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import JsonValue

from stream.errors import BadRequest
from stream.media.composite.settings import checked
from stream.media.composite.shapes import KnownShapes

INPUTS = ("film",)


def settings(word: Any, code: Any = "https://example.com", **more: JsonValue) -> Mapping[str, Any]:
    card = {"kind": "end_card", "start": 1, "layers": [{"kind": "qr", "content": code}, {"kind": "text", "text": word}]}
    layers = [{"kind": "video", "input": "film"}, {"kind": "text", "text": word, "size": "5%"}, card]
    return {"width": 320, "height": 180, "duration": 2, "layers": layers, **more}


def alone(given: Mapping[str, Any], inputs: tuple[str, ...] = INPUTS) -> dict[str, JsonValue]:
    return checked(given, inputs).model_dump(mode="json")


def test_each_comes_to_the_same_as_by_itself() -> None:
    shapes = KnownShapes()
    for number in range(3):
        for given in (
            settings(f"word {number}"),
            settings("word", f"code {number}"),
            settings("word", fps=25.0),
            settings("word", fps=25),
            settings("word", fps="25"),
            settings(f"word {number}", duration=2.0, background="#112233"),
        ):
            assert shapes.checked(given, INPUTS) == alone(given)


@pytest.mark.parametrize(
    "wrong",
    [
        settings(""),
        settings("w" * 100_000),
        settings(7),
        settings(None),
        settings(b""),
        settings("\ud800"),
        settings("word", ""),
        settings("word", "c" * 1_001),
        settings("word", duration=True),
        settings("word", no_such_field=1),
    ],
)
def test_what_is_wrong_is_refused_in_the_same_words(wrong: Mapping[str, Any]) -> None:
    shapes = KnownShapes()
    shapes.checked(settings("word"), INPUTS)
    shapes.checked(settings("other"), INPUTS)
    messages = []
    for check in (shapes.checked, alone):
        with pytest.raises(BadRequest) as refused:
            check(wrong, INPUTS)
        messages.append(refused.value.message)
    assert messages[0] == messages[1]


def test_a_shape_is_of_its_inputs_too_and_nobody_changes_what_is_kept() -> None:
    shapes = KnownShapes()
    first = shapes.checked(settings("one"), INPUTS)
    second = shapes.checked(settings("two"), INPUTS)
    assert (first, second) == (alone(settings("one")), alone(settings("two")))
    with pytest.raises(BadRequest, match="there is no input 'film'"):
        shapes.checked(settings("one"), ("other",))
