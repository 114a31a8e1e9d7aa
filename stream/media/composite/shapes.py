"""Settings that differ in their words alone are checked once: rows of a campaign by the thousand do."""

import marshal
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from stream.media.composite.layers import QrLayer, TextLayer
from stream.media.composite.settings import checked
from stream.media.protocol import Settings

_KEPT, _MOST_BYTES = 256, 64 * 1024
_WORDS: Mapping[str, tuple[str, Any]] = {
    kind: (name, TypeAdapter(model.__annotations__[name]))
    for kind, name, model in (("text", "text", TextLayer), ("qr", "content", QrLayer))
}
"""By kind of layer: the field whose value nothing else depends on, and what it may be."""


class KnownShapes:
    """What settings came to, by all of them but their words. The last ones are kept, none of them large."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, dict[str, JsonValue]] = OrderedDict()

    def checked(self, settings: Settings, inputs: Sequence[str]) -> dict[str, JsonValue]:
        """The settings with their defaults, as JSON. Raises `BadRequest` (`template_invalid`)."""
        words: list[tuple[str, str]] = []

        def apart(kind: str, word: str) -> Any:
            words.append((kind, word))
            return None

        try:
            # With their number: a place that holds no word is another shape than one whose word was taken out.
            key = marshal.dumps([_replaced(settings, apart), len(words), list(inputs)], 2)
        except ValueError:  # nested too deeply
            return checked(settings, inputs).model_dump(mode="json")
        found = self._known.pop(key, None)
        if found is None or not all(_fits(kind, word) for kind, word in words):
            told = checked(settings, inputs).model_dump(mode="json")
            found = _replaced(told, lambda *_: "")
        if len(key) <= _MOST_BYTES:
            self._known[key] = found
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        left = iter(words)
        return _replaced(found, lambda *_: next(left)[1])


def _replaced(settings: Mapping[str, Any], word: Callable[[str, str], Any]) -> dict[str, Any]:
    """A copy in which each word of a layer is another one; what has none is shared with it."""
    found = dict(settings)
    if isinstance(layers := found.get("layers"), list):
        found["layers"] = [_layer(each, word) for each in layers]
    return found


def _layer(layer: Any, word: Callable[[str, str], Any]) -> Any:
    kind = layer.get("kind") if isinstance(layer, dict) else None
    if kind == "end_card":
        return _replaced(layer, word)
    if not isinstance(kind, str) or kind not in _WORDS:
        return layer
    name, _ = _WORDS[kind]
    told = layer.get(name)
    return {**layer, name: word(kind, told)} if isinstance(told, str) else layer


def _fits(kind: str, word: str) -> bool:
    try:
        _WORDS[kind][1].validate_python(word)
    except ValidationError:
        return False
    return True
