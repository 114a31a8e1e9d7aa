"""Media operators that work on text: small, deterministic, with parts, and some that misbehave."""

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from PIL import Image

from stream.errors import BadMedia, BadRequest
from stream.media.protocol import Part, Settings, Task

OPERATORS = {
    name: f"tests.support.media_operators:{target}"
    for name, target in {
        "write": "Write",
        "upper": "Upper",
        "spell": "Spell",
        "fail": "Fail",
        "wait": "Wait",
        "draw": "Draw",
        "flood": "Flood",
    }.items()
}


class _Operator:
    version: ClassVar[int] = 1

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        return settings

    def outputs(self, settings: Settings) -> Mapping[str, str]:
        return {"text.txt": "text/plain"}

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        return {"threads": "1"}

    def divide(self, task: Task) -> Sequence[Part]:
        return ()

    def render(self, task: Task) -> None:
        raise NotImplementedError

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        raise NotImplementedError


class Write(_Operator):
    """Writes the text of its settings and its seed."""

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        if not isinstance(settings.get("text"), str):
            raise BadRequest("text: a text is needed", code="template_invalid")
        return settings

    def render(self, task: Task) -> None:
        (task.folder / "text.txt").write_text(f"{task.settings['text']} {task.seed}")


class Upper(_Operator):
    """Its input in capitals."""

    def render(self, task: Task) -> None:
        (task.folder / "text.txt").write_text(task.inputs["text"].read_text().upper())


class Spell(_Operator):
    """Its input, a letter a part, joined with dashes."""

    def divide(self, task: Task) -> Sequence[Part]:
        return [{"index": index} for index in range(len(task.inputs["text"].read_text()))]

    def render(self, task: Task) -> None:
        assert task.part is not None
        index = task.part["index"]
        assert isinstance(index, int)
        (task.folder / "text.txt").write_text(task.inputs["text"].read_text()[index])

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        (task.folder / "text.txt").write_text("-".join((part / "text.txt").read_text() for part in parts))


class Fail(_Operator):
    """Refuses an input that holds the word of its settings; `how`: by words, by a defect, by its own end."""

    def render(self, task: Task) -> None:
        text = task.inputs["text"].read_text()
        if str(task.settings["word"]) in text:
            match task.settings["how"]:
                case "words":
                    raise BadMedia("the text holds a word that is not allowed", code="word_not_allowed")
                case "defect":
                    raise ValueError(text)
                case _:
                    os.kill(os.getpid(), signal.SIGKILL)
        (task.folder / "text.txt").write_text(text)


class Wait(_Operator):
    """Takes its time."""

    def render(self, task: Task) -> None:
        seconds = task.settings["seconds"]
        assert isinstance(seconds, int | float)
        for step in range(round(seconds * 20)):
            threading.Event().wait(0.05)
            task.report(step / (seconds * 20))
        (task.folder / "text.txt").write_text("waited")


class Draw(_Operator):
    """A picture of one colour, with its input as a file beside it."""

    def outputs(self, settings: Settings) -> Mapping[str, str]:
        return {"text.txt": "text/plain", "poster.png": "image/png"}

    def render(self, task: Task) -> None:
        (task.folder / "text.txt").write_text(task.inputs["text"].read_text())
        colour = task.settings["colour"]
        assert isinstance(colour, str)
        Image.new("RGB", (1280, 720), colour).save(task.folder / "poster.png")


class Flood(_Operator):
    """Writes as many MiB as its settings say."""

    def render(self, task: Task) -> None:
        mebibytes = task.settings["mebibytes"]
        assert isinstance(mebibytes, int)
        with (task.folder / "text.txt").open("wb") as file:
            for _ in range(mebibytes):
                file.write(bytes(1 << 20))
