"""Clips for judging search, made of pictures and clips of registry packages: scenes with hard cuts between them.

A fresh checkout fetches the same bytes by name, version and digest, and makes the same clips of them once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from benchmarks.footage import cache, footage_dir
from models.weights.pins import Pin, PinnedMember

RATE, SIZE = 25, (640, 360)
SCENE_S = 4
# A slow zoom, as of a camera: without any motion a clip of stills would be easier than footage.
_ZOOM = 0.15

_GRADIO = Pin(
    name="gradio-pictures",
    kind="samples",
    job="pictures for judging search",
    package="gradio",
    version="6.31.0",
    wheel_sha256="7b50b9b6a2d23cd02851ad4c8b1c8312c88d8b911d1f29c93f9761c98348a64a",
    bytes=31_374_795,
    licence="Apache-2.0",
    members=tuple(
        PinnedMember(path, sha256)
        for path, sha256 in (
            (
                "gradio/media_assets/images/cheetah.jpg",
                "29b0090f5ec471dad0264abc20ecc3c80a0133a63a03d11df920e39a093fe6c8",
            ),
            (
                "gradio/media_assets/images/cheetah1.jpg",
                "35550bfbba996e59c242af00f6a14a9c0d055dfbc52ad069a1a4e8c1c39ca095",
            ),
            ("gradio/test_data/cheetah2.jpg", "6882e714aa43d60a429f704a5ddd3af4b3708f89701b3bcc9626121349853795"),
            ("gradio/media_assets/images/lion.jpg", "4c45ece00075f152cb2e6cfd5f1dfd7dc8e83042264685b4f470026240eff3ef"),
            (
                "gradio/media_assets/images/tower.jpg",
                "f57f96f7a71f89739d27ae8ffc09f73cd2f17415d16c94d42dcb0d571f4eb0ee",
            ),
            (
                "gradio/media_assets/videos/world.mp4",
                "71944d7430c461f0cd6e7fd10cee7eb72786352a3678fc7bc0ae3d410f72aece",
            ),
        )
    ),
)
_SKIMAGE = Pin(
    name="scikit-image-pictures",
    kind="samples",
    job="pictures for judging search",
    package="scikit-image",
    version="0.26.0",
    # Its wheels differ by platform and Python, and the pictures in them do not.
    wheel_sha256=None,
    bytes=13_711_217,
    licence="BSD-3-Clause; pictures in the public domain or CC0",
    members=tuple(
        PinnedMember(f"skimage/data/{name}", sha256)
        for name, sha256 in (
            ("astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
            ("brick.png", "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"),
            ("camera.png", "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"),
            ("chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
            ("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
            ("coins.png", "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba"),
            ("color.png", "7d2df993de2b4fa2a78e04e5df8050f49a9c511aa75e59ab3bd56ac9c98aef7e"),
            ("grass.png", "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"),
            ("gravel.png", "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"),
            ("horse.png", "c7fb60789fe394c485f842291ea3b21e50d140f39d6dcb5fb9917cc178225455"),
            ("hubble_deep_field.jpg", "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4"),
            ("moon.png", "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577"),
            ("motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
            ("page.png", "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3"),
            ("retina.jpg", "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6"),
            ("rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"),
            ("text.png", "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1"),
        )
    ),
)
_SKLEARN = Pin(
    name="scikit-learn-pictures",
    kind="samples",
    job="pictures for judging search",
    package="scikit-learn",
    version="1.9.1",
    wheel_sha256=None,
    bytes=9_315_422,
    licence="BSD-3-Clause; pictures CC-BY 2.0, danielbuechele and vultilion on Flickr",
    members=tuple(
        PinnedMember(path, sha256)
        for path, sha256 in (
            ("sklearn/datasets/images/china.jpg", "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"),
            ("sklearn/datasets/images/flower.jpg", "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"),
        )
    ),
)
_PICTURES = {
    "astronaut": "astronaut.png",
    "bricks": "brick.png",
    "cameraman": "camera.png",
    "cat": "chelsea.png",
    "cheetah_cub": "cheetah2.jpg",
    "cheetah_face": "cheetah1.jpg",
    "cheetah_running": "cheetah.jpg",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "colour_wheel": "color.png",
    "dahlia": "flower.jpg",
    "earth": "world.mp4",
    "galaxies": "hubble_deep_field.jpg",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "handwriting": "text.png",
    "horse": "horse.png",
    "lion": "lion.jpg",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "page": "page.png",
    "pagoda": "china.jpg",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "tower": "tower.jpg",
}
_WHOLE_CLIPS = {"bunny": "bigbuckbunny.mp4", "carphone": "carphone_pristine.mp4", "bikes": "bikes.mp4"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A part of a clip, in seconds from its first picture."""

    name: str
    clip: Path
    start_s: float
    end_s: float


def scenes(reels: dict[str, Sequence[str]]) -> list[Scene]:
    """Of clips made of the named pictures, and of the sample clips, each of which is one scene. Raises `Unavailable`
    where a package cannot be fetched.
    """
    kept, sources = cache(), _sources()
    found = []
    for reel, names in reels.items():
        clip = _reel(reel, [sources[_PICTURES[name]] for name in names])
        found += [Scene(name, clip, at * SCENE_S, (at + 1) * SCENE_S) for at, name in enumerate(names)]
    samples = kept.files("clips")
    # As long as it is: whatever is found in such a clip shows its only scene.
    return found + [Scene(name, samples[file], 0.0, 1e9) for name, file in _WHOLE_CLIPS.items()]


def picture_paths() -> list[Path]:
    """The pinned pictures. Raises `Unavailable` where a package cannot be fetched."""
    sources = _sources()
    return [sources[name] for name in sorted(_PICTURES.values()) if not name.endswith(".mp4")]


def _sources() -> dict[str, Path]:
    """File name to where it is."""
    kept, found = cache(), dict[str, Path]()
    for pin in (_GRADIO, _SKIMAGE, _SKLEARN):
        kept.fetch(pin)
        found |= kept.paths(pin)
    return found


def _reel(name: str, sources: Sequence[Path]) -> Path:
    path = footage_dir() / f"reel-{name}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mp4")
        with av.open(str(part), "w") as target:
            stream = target.add_stream("libx264", rate=RATE)
            stream.width, stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "20", "preset": "medium"}
            number = 0
            for source in sources:
                for picture in islice(_pictures(source), SCENE_S * RATE):
                    frame = av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24")
                    frame.pts, frame.time_base = number, Fraction(1, RATE)
                    target.mux(stream.encode(frame))
                    number += 1
            target.mux(stream.encode(None))
        part.replace(path)
    return path


def _pictures(source: Path) -> Iterator[Image.Image]:
    """At least one scene of them, in `SIZE`: of a clip as it goes, of a picture with a slow zoom."""
    if source.suffix == ".mp4":
        with av.open(str(source)) as container:
            for frame in container.decode(video=0):
                yield ImageOps.pad(Image.fromarray(frame.to_ndarray(format="rgb24")), SIZE)
        return
    with Image.open(source) as opened:
        whole = ImageOps.pad(opened.convert("RGB"), (SIZE[0] * 2, SIZE[1] * 2))
    for number in range(SCENE_S * RATE):
        kept = 1 - _ZOOM * number / (SCENE_S * RATE)
        width, height = whole.width * kept, whole.height * kept
        left, top = (whole.width - width) / 2, (whole.height - height) / 2
        yield whole.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
