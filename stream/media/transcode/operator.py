"""`transcode`: an input as a delivery file of a profile."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, cast

from stream.media.protocol import Part, Settings, Task
from stream.media.transcode import encoding, muxing
from stream.media.transcode.encoding import part_frames
from stream.media.transcode.facts import Facts, facts_of
from stream.media.transcode.hdr import write_table
from stream.media.transcode.packets import PacketWriter
from stream.media.transcode.pictures import Range, pictures
from stream.media.transcode.settings import Transcoding, checked
from stream.media.transcode.sound import channels_of
from stream.media.transcode.sound_part import write_sound
from stream.media.transcode.target import PQ, target_of
from stream.media.transcode.toolchain import toolchain_of


class Transcode:
    """Settings: `stream.media.transcode.settings.Transcoding`. One output, `video.` and the suffix of the profile.

    Parts: ranges of pictures, whole closed GOPs each, and the sound. A part's output holds packets and no film.
    """

    version: ClassVar[int] = 3

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        return checked(settings, inputs).model_dump(mode="json")

    def outputs(self, settings: Settings) -> Mapping[str, str]:
        row = _read(settings).row
        return {f"video.{row.suffix}": row.media_type}

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        return toolchain_of(_read(settings))

    def divide(self, task: Task) -> Sequence[Part]:
        settings = _read(task.settings)
        facts = self._facts(settings, task)
        parts = _parts(settings, facts, _input(settings, task))
        return parts if facts.frames > part_frames(settings.row, Fraction(facts.rate)) else []

    def render(self, task: Task) -> None:
        if task.part is not None:
            self._part(task, task.part)
            return
        settings = _read(task.settings)
        facts = self._facts(settings, task)
        folders = []
        parts = _parts(settings, facts, _input(settings, task))
        with contextlib.ExitStack() as stack:
            for number, part in enumerate(parts):
                folder = task.scratch / f"part-{number}"
                folder.mkdir()
                stack.callback(_emptied, folder)
                share = (number / len(parts), 1 / len(parts))
                inner = replace(task, folder=folder, part=part, report=_within(task, *share))
                self._part(inner, part)
                folders.append(folder)
            self.join(replace(task, report=lambda _share: task.report(1.0)), folders)

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        settings = _read(task.settings)
        facts = self._facts(settings, task)
        source = _input(settings, task)
        name = self._name(task)
        channels = channels_of(source, settings, facts)
        made = list(zip(_parts(settings, facts, source), parts, strict=True))
        sound = [folder / name for part, folder in made if part["kind"] == "sound"]
        ranges = [(_range(part), folder / name) for part, folder in made if part["kind"] == "pictures"]
        muxing.join(
            task.folder / name,
            settings,
            facts,
            target_of(settings, facts),
            [(wanted.first, wanted.frames, path) for wanted, path in ranges],
            (channels, sound[0]) if sound else None,
            task.report,
        )

    def _part(self, task: Task, part: Part) -> None:
        settings = _read(task.settings)
        facts = Facts.from_json(cast("Mapping[str, Any]", part["facts"]))
        path = task.folder / self._name(task)
        if part["kind"] == "sound":
            write_sound(path, _input(settings, task), settings, facts, int(cast("int", part["channels"])), task)
        else:
            _write_pictures(path, settings, facts, _range(part), task)

    def _facts(self, settings: Transcoding, task: Task) -> Facts:
        allowed = tuple(Fraction(rate) for rate in settings.row.rates)
        return facts_of(_input(settings, task), settings.rate, allowed)

    def _name(self, task: Task) -> str:
        return next(iter(self.outputs(task.settings)))


def _write_pictures(path: Path, settings: Transcoding, facts: Facts, wanted: Range, task: Task) -> None:
    target = target_of(settings, facts)
    table = None
    if target.tone_mapped:
        table = task.scratch / "hdr.cube"
        write_table(table, "pq" if facts.colours[2] == PQ else "hlg")
    encoder = encoding.picture_encoder(settings, facts, target)
    source = _input(settings, task)
    with PacketWriter(path) as packets:
        for number, frame in enumerate(pictures(source, facts, target, wanted, table)):
            for packet in encoding.coded_pictures(encoder, frame):
                packets.write(packet)
            task.report(number / wanted.frames)
        for packet in encoding.coded_pictures(encoder, None):
            packets.write(packet)
    if table is not None:
        table.unlink()


def _parts(settings: Transcoding, facts: Facts, source: Path) -> list[dict[str, Any]]:
    """The sound first: it takes the longest of all, and others need not wait for it at the end."""
    size = part_frames(settings.row, Fraction(facts.rate))
    known = facts.as_json()
    parts: list[dict[str, Any]] = []
    channels = channels_of(source, settings, facts)
    if channels:
        parts.append({"kind": "sound", "channels": channels, "facts": known})
    parts.extend(
        {"kind": "pictures", "first": first, "frames": min(size, facts.frames - first), "facts": known}
        for first in range(0, facts.frames, size)
    )
    return parts


def _range(part: Part) -> Range:
    return Range(int(cast("int", part["first"])), int(cast("int", part["frames"])))


def _read(settings: Settings) -> Transcoding:
    return Transcoding.model_validate(dict(settings))


def _input(settings: Transcoding, task: Task) -> Path:
    return task.inputs[settings.input]


def _within(task: Task, before: float, share: float) -> Any:
    return lambda done: task.report(before + share * done)


def _emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
