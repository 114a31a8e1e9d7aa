"""`package`: an encoded film as a folder that players and ad servers can read from any web server."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import av
import PIL

from stream.errors import Unavailable
from stream.media.composite.captions import written_captions
from stream.media.package.manifests import captions_playlist, dash_manifest, master_playlist, media_playlist
from stream.media.package.settings import Packaging, checked_packaging
from stream.media.package.stills import poster, sprites
from stream.media.package.tracks import picture_track, sound_track
from stream.media.package.vast import vast_tag
from stream.media.protocol import Part, Settings, Task
from stream.media.transcode.facts import Facts, facts_of

_HLS = "application/vnd.apple.mpegurl"
_PICTURES = {
    "master.m3u8": _HLS,
    "manifest.mpd": "application/dash+xml",
    "video.m3u8": _HLS,
    "video.mp4": "video/mp4",
    "poster.jpg": "image/jpeg",
    "sprites.jpg": "image/jpeg",
    "sprites.vtt": "text/vtt",
}
_SOUND = {"sound.m3u8": _HLS, "sound.mp4": "audio/mp4"}
_CAPTIONS = {".vtt": "text/vtt", ".m3u8": _HLS}
_TAG = {"vast.xml": "application/xml"}


class Package:
    """Settings: `stream.media.package.settings.Packaging`. The input is H.264, H.265 or AV1 with AAC in MP4, as
    `transcode` makes it. Outputs: `master.m3u8` for HLS and `manifest.mpd` for DASH, both over `video.mp4` and
    `sound.mp4`; `poster.jpg`; `sprites.jpg` with `sprites.vtt`; of captions `captions-LANGUAGE.vtt` and
    its playlist; `vast.xml`. They refer to each other by name: upload
    all of them to one folder, whose server answers requests for ranges.
    """

    version: ClassVar[int] = 3

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        asked = checked_packaging(settings, inputs)
        # Settings are part of the key: what was packaged before there were captions is known by the same one.
        return asked.model_dump(mode="json", exclude=None if asked.captions else {"captions"})

    def outputs(self, settings: Settings) -> Mapping[str, str]:
        asked = _read(settings)
        captions = {f"{each.file}{suffix}": kind for each in asked.captions for suffix, kind in _CAPTIONS.items()}
        return {**_PICTURES, **(_SOUND if asked.sound else {}), **captions, **(_TAG if asked.vast is not None else {})}

    def toolchain(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002  # the same for all settings
        if "mp4" not in av.formats_available:
            raise Unavailable(
                f"this build of FFmpeg ({av.ffmpeg_version_info}) cannot write mp4", code="toolchain_lacks"
            )
        return {"av": av.__version__, "ffmpeg": av.ffmpeg_version_info, "pillow": PIL.__version__, "threads": "1"}

    def divide(self, task: Task) -> Sequence[Part]:  # noqa: ARG002  # copying is faster than asking for parts
        return []

    def join(self, task: Task, parts: Sequence[Path]) -> None:  # noqa: ARG002  # never called
        raise AssertionError("there are no parts")

    def render(self, task: Task) -> None:
        asked = _read(task.settings)
        source = task.inputs[asked.input]
        facts = facts_of(source, None)
        self._streams(task, asked, source, facts)
        stills = task.folder / "sprites.jpg", task.folder / "sprites.vtt"
        poster(source, facts, asked.poster_s, task.folder / "poster.jpg", task.scratch)
        sprites(source, facts, asked.sprite_s, asked.sprite_width, stills, task.scratch, task.report)

    def _streams(self, task: Task, asked: Packaging, source: Path, facts: Facts) -> None:
        folder = task.folder
        video = picture_track(source, folder / "video.mp4", task.report)
        sound = sound_track(source, folder / "sound.mp4", task.report) if asked.sound else None
        for track in [video] if sound is None else [video, sound]:
            _write(folder / f"{Path(track.name).stem}.m3u8", media_playlist(track).encode())
        for each in asked.captions:
            _write(folder / f"{each.file}.vtt", written_captions(task.inputs[each.input], each.input))
            _write(folder / f"{each.file}.m3u8", captions_playlist(each, facts.seconds).encode())
        names = ("video.m3u8", "sound.m3u8")
        _write(folder / "master.m3u8", master_playlist(video, sound, names, asked.captions).encode())
        sizes = {each.file: (folder / f"{each.file}.vtt").stat().st_size for each in asked.captions}
        _write(folder / "manifest.mpd", dash_manifest(video, sound, facts.seconds, asked.captions, sizes))
        if asked.vast is not None:
            with source.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            _write(folder / "vast.xml", vast_tag(asked.vast, video, sound, facts.seconds, digest))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _read(settings: Settings) -> Packaging:
    return Packaging.model_validate(dict(settings))
