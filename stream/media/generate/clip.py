"""What generation writes: a lossless clip, a poster, and the facts that whoever publishes it has to keep."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from stream.media.composite.canvas import Planes, to_planes
from stream.media.composite.intermediate import Intermediate, packets, writing
from stream.media.composite.renderer import save_poster
from stream.media.composite.settings import CompositeSettings
from stream.media.generate.networks import Rgb

PICTURE, POSTER, FACTS = "picture.mkv", "poster.png", "generation.json"
CLIP_OUTPUTS: Mapping[str, str] = {PICTURE: "video/x-matroska", POSTER: "image/png", FACTS: "application/json"}
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@dataclass(frozen=True, slots=True)
class Clip:
    """Its sides are even, as chroma of later stages may be halved."""

    width: int
    height: int
    fps: str
    frames: int

    @property
    def poster_frame(self) -> int:
        return self.frames // 2

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Intermediate]:
        """FFV1 without sound, BT.709."""
        seconds = float(self.frames / Fraction(self.fps))
        settings = CompositeSettings(
            width=self.width, height=self.height, fps=self.fps, duration=seconds, layers=[], sounds=[]
        )
        with writing(folder / PICTURE, settings, sound=False) as file:
            yield file

    def write(self, folder: Path, pictures: Iterable[Rgb], first: int = 0) -> Iterator[int]:
        """Each picture as it comes; gives how many are written. The poster is written where its frame is among them."""
        with self.writing(folder) as file:
            for index, picture in enumerate(pictures, first):
                canvas: Planes = to_planes(picture)
                file.put(index - first, file.encoded(canvas), None)
                if index == self.poster_frame:
                    save_poster(canvas, folder / POSTER)
                yield index - first + 1

    def join(self, folder: Path, parts: Iterable[Path]) -> Iterator[int]:
        """The clip of parts that `write` made, in their order."""
        done = 0
        with self.writing(folder) as file:
            for part in parts:
                for packet in packets(part / PICTURE, "video"):
                    file.put(done, packet, None)
                    done += 1
                    yield done
                if (part / POSTER).exists():
                    (folder / POSTER).write_bytes((part / POSTER).read_bytes())


def prompt_digest(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()


def write_facts(
    folder: Path, *, model: str, digest: str, prompt_sha256: str, seed: int, more: Mapping[str, object]
) -> None:
    """That these pictures are generated, by what and from what; of the prompt its digest alone."""
    facts = {
        "version": 1,
        "generated": True,
        "digital_source_type": _SOURCE_TYPE,
        "model": {"name": model, "sha256": digest},
        "prompt_sha256": prompt_sha256,
        "seed": seed,
        **more,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
