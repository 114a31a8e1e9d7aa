"""What rushes cannot do without: its decoder and the tagger alone, a process a core over the files as the plain script.

No sandbox, no broker, no thumbnails, no stores; the same frames. What the topology takes beyond it is its own.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.footage import span_of
from benchmarks.peers.plain import main
from benchmarks.peers.task import Frame
from decoders.ffmpeg.decoder import PyAVDecoder
from decoders.sources.file import FileSource
from models.pictures.colour import images_of
from stream.events.asset import DecodeSettings, Profile


def sampled(file: str, profile: Profile) -> Iterator[tuple[float, Frame]]:
    """(seconds, frame) of the samples that a run makes which looks for tags alone: what leads to none is left out."""
    path = Path(file).resolve()
    decoder = PyAVDecoder()
    source = FileSource(path, {str(path.parent)})
    settings = DecodeSettings(profile=profile, dense=False)
    span = span_of(path, decoder.inspect(source), profile).model_copy(update={"settings": settings})
    for cell in decoder.decode(source, span):
        for sample, image in zip(cell.samples, images_of(cell), strict=True):
            yield sample.time_ns / 1e9, image
    source.close()


if __name__ == "__main__":
    main(sampled)
