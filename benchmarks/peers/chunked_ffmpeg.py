"""A chunked encoder as a shell user writes it: ffmpeg cuts the film at key frames, several encode the pieces, one joins
them. Each has one thread, and the encoder's options are those that a profile of rushes has.
"""

import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.peers.environments import python_of

SEGMENT_S = 10


def ffmpeg() -> Path:
    """The program that the package `imageio-ffmpeg` brings; fetched once."""
    said = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    return Path(subprocess.check_output([python_of("ffmpeg"), "-c", said], text=True).strip())


def version_of(program: Path) -> str:
    return subprocess.check_output([program, "-version"], text=True).split()[2]


def chunked(program: Path, source: Path, folder: Path, pictures: Mapping[str, str], sound: str, workers: int) -> Path:
    """The film that `workers` processes at a time make. `pictures`: options of the encoder, its name under `c:v`;
    `sound`: the sound's encoder.
    """
    folder.mkdir(parents=True)
    cut = [*_segmented(source), str(folder / "cut-%04d.mkv")]
    _run(program, *cut)
    pieces = sorted(folder.glob("cut-*.mkv"))
    options = [word for name, value in pictures.items() for word in (f"-{name}", value)]

    def encode(piece: Path) -> Path:
        made = piece.with_name(piece.name.replace("cut", "made"))
        _run(program, "-threads", "1", "-i", str(piece), *options, "-threads", "1", "-an", str(made))
        return made

    def encode_sound() -> Path:
        made = folder / "sound.m4a"
        _run(program, "-i", str(source), "-vn", "-c:a", sound, str(made))
        return made

    with ThreadPoolExecutor(workers) as pool:
        heard = pool.submit(encode_sound)
        listed = "".join(f"file '{made.name}'\n" for made in pool.map(encode, pieces))
    (folder / "pieces.txt").write_text(listed)
    film = folder / "film.mp4"
    _run(
        program, "-f", "concat", "-i", str(folder / "pieces.txt"), "-i", str(heard.result()), "-c", "copy", str(film)
    )  # fmt: skip
    return film


def _segmented(source: Path) -> list[str]:
    return ["-i", str(source), "-map", "0:v", "-c", "copy", "-f", "segment", "-segment_time", str(SEGMENT_S)]


def _run(program: Path, *words: str) -> None:
    subprocess.run([program, "-v", "error", "-nostdin", "-y", *words], check=True)
