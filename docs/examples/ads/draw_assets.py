"""Draws the brand assets of the example campaign: logo, background, product film, music and chime. Nothing is fetched.

    python docs/examples/ads/draw_assets.py [FOLDER]

FOLDER is `assets` beside this file, if not given. The same release draws the same files.
"""

import math
import sys
from fractions import Fraction
from importlib import resources
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Floats = npt.NDArray[np.float64]
INK, GOLD, PAPER = (14, 22, 33), (246, 190, 72), (244, 239, 230)
SIDE, FPS, SECONDS = 720, 25, 6
RATE = 48_000


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "assets"
    folder.mkdir(parents=True, exist_ok=True)
    draw_logo().save(folder / "logo.png")
    draw_background().save(folder / "background.jpg", quality=92)
    film_product(folder / "product.mp4")
    write_sound(folder / "bed.wav", music(12.0))
    write_sound(folder / "chime.wav", chime(1.6))
    print(f"drawn into {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def draw_logo() -> Image.Image:
    """A ring with a hand at ten past ten, and the name."""
    picture = Image.new("RGBA", (1560, 480), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((30, 30, 450, 450), outline=(*GOLD, 255), width=44)
    draw.line((240, 240, 240, 110), fill=(*PAPER, 255), width=34)
    draw.line((240, 240, 340, 300), fill=(*GOLD, 255), width=34)
    draw.ellipse((216, 216, 264, 264), fill=(*PAPER, 255))
    draw.text((530, 352), "nova", font=font(380, 600), fill=(*PAPER, 255), anchor="ls")
    return picture.resize((780, 240), Image.Resampling.LANCZOS)


def font(size: int, weight: int) -> ImageFont.FreeTypeFont:
    path = resources.files("justmytype_western_core") / "fonts" / "ofl" / "inter" / "Inter[opsz,wght].ttf"
    loaded = ImageFont.truetype(str(path), size)
    loaded.set_variation_by_axes([32, weight])
    return loaded


def draw_background() -> Image.Image:
    """Dusk: dark blue above, warm light from below, and discs out of focus."""
    width, height = 1200, 1200
    rows = np.linspace(0, 1, height)[:, None, None]
    glow = np.exp(-((rows - 1.05) ** 2) / 0.12)
    base = np.array(INK) * (1 - 0.35 * rows) + glow * np.array([120, 66, 30])
    picture = Image.fromarray(np.broadcast_to(base.clip(0, 255), (height, width, 3)).astype(np.uint8))
    random = np.random.default_rng(7)
    discs = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(discs)
    for _ in range(38):
        x, y, radius = random.uniform(0, width), random.uniform(height * 0.45, height), random.uniform(14, 72)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*GOLD, int(random.uniform(10, 46))))
    picture.paste(discs, mask=discs.filter(ImageFilter.GaussianBlur(5)).getchannel("A"))
    return picture.filter(ImageFilter.GaussianBlur(2))


def film_product(path: Path) -> None:
    """A watch on a dark table: its second hand sweeps and light moves over the glass; it ends as it begins."""
    still, glass, shine = table_with_watch(), glass_mask(), shine_mask()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "16", "preset": "veryfast", "threads": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        stream.codec_context.color_range = 1
        for number in range(FPS * SECONDS):
            picture = still.copy()
            share = number / (FPS * SECONDS)
            hand = second_hand(share)
            corner = ((SIDE - hand.width) // 2, (SIDE - hand.height) // 2)
            picture.paste(hand, corner, hand)
            left = round(SIDE * (0.5 - 0.5 * math.sin(2 * math.pi * share)))
            light = ImageChops.multiply(shine.crop((left, 0, left + SIDE, SIDE)), glass)
            picture.paste((255, 255, 255), (0, 0, SIDE, SIDE), light)
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def table_with_watch() -> Image.Image:
    picture, watch = backdrop(), dial()
    shadow = Image.new("L", picture.size, 0)
    shadow.paste(watch.getchannel("A").point(lambda alpha: alpha * 3 // 5), (10, 16))
    picture.paste((0, 0, 0), (0, 0, SIDE, SIDE), shadow.filter(ImageFilter.GaussianBlur(14)))
    picture.paste(watch, mask=watch)
    return picture


def glass_mask() -> Image.Image:
    mask = Image.new("L", (SIDE, SIDE), 0)
    reach = SIDE * 0.26
    ImageDraw.Draw(mask).ellipse((SIDE / 2 - reach, SIDE / 2 - reach, SIDE / 2 + reach, SIDE / 2 + reach), fill=255)
    return mask


def shine_mask() -> Image.Image:
    """A slanting band of light in the middle of a strip that is twice as wide as the film."""
    mask = Image.new("L", (2 * SIDE, SIDE), 0)
    band = [(SIDE + 60, 0), (SIDE + 150, 0), (SIDE - 80, SIDE), (SIDE - 170, SIDE)]
    ImageDraw.Draw(mask).polygon(band, fill=46)
    return mask.filter(ImageFilter.GaussianBlur(8))


def second_hand(share: float) -> Image.Image:
    large = Image.new("RGBA", (880, 880), (196, 60, 40, 0))
    draw = ImageDraw.Draw(large)
    spoke(draw, 440, 0.6 * SIDE, share, (-0.18, 0.8), 6, (196, 60, 40))
    draw.ellipse((424, 424, 456, 456), fill=(196, 60, 40))
    return large.resize((440, 440), Image.Resampling.BOX)


def backdrop() -> Image.Image:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    glow = np.exp(-(columns**2 + rows**2) / 0.16)[:, :, None]
    return Image.fromarray((np.array(INK) + glow * np.array([44, 52, 60])).clip(0, 255).astype(np.uint8))


def dial() -> Image.Image:
    """The watch without its second hand, drawn twice as large for smooth edges."""
    size = 2 * SIDE
    picture = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    middle, radius = size / 2, size * 0.3
    for top, bottom in ((0.0, 0.27), (0.73, 1.0)):
        draw.rounded_rectangle(
            (middle - radius * 0.5, size * top - 40, middle + radius * 0.5, size * bottom + 40), 60, (46, 32, 26)
        )
    for share, colour in ((1.0, (150, 152, 158)), (0.95, (226, 228, 232)), (0.9, (60, 62, 68)), (0.87, PAPER)):
        reach = radius * share
        draw.ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=colour)
    for hour in range(12):
        inner = 0.68 if hour % 3 == 0 else 0.75
        spoke(draw, middle, radius, hour / 12, (inner, 0.82), 17 if hour % 3 == 0 else 8, INK)
    draw.text((middle, middle - radius * 0.4), "nova", font=font(60, 600), fill=INK, anchor="mm")
    spoke(draw, middle, radius, (10 + 10 / 60) / 12, (-0.1, 0.48), 23, INK)
    spoke(draw, middle, radius, 10 / 60, (-0.1, 0.7), 16, INK)
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def spoke(
    draw: ImageDraw.ImageDraw,
    middle: float,
    radius: float,
    turn: float,
    reach: tuple[float, float],
    width: int,
    colour: tuple[int, int, int],
) -> None:
    """A line from the middle: `turn` of a whole turn from twelve o'clock, between two shares of the radius."""
    across, down = math.sin(2 * math.pi * turn) * radius, -math.cos(2 * math.pi * turn) * radius
    ends = [(middle + across * share, middle + down * share) for share in reach]
    draw.line([*ends[0], *ends[1]], fill=colour, width=width)


def music(seconds: float) -> Floats:
    """Four soft chords and a slow arpeggio over them."""
    times = np.arange(round(seconds * RATE)) / RATE
    chords = ((220.0, 277.18, 329.63), (184.99, 220.0, 277.18), (146.83, 185.0, 220.0), (164.81, 207.65, 246.94))
    sound = np.zeros_like(times)
    length = seconds / len(chords)
    for index, chord in enumerate(chords):
        inside = ((times >= index * length) & (times < (index + 1) * length)).astype(float)
        swell = np.sin(np.pi * ((times - index * length) / length).clip(0, 1)) ** 0.6
        for step, pitch in enumerate(chord):
            sound += (
                0.07 * inside * swell * (np.sin(2 * np.pi * pitch * times) + 0.3 * np.sin(4 * np.pi * pitch * times))
            )
            for beat in range(step, 12, 3):
                since = times - index * length - beat * length / 12
                ring = np.where(since >= 0, np.exp(-since.clip(0) * 7), 0) * inside
                sound += 0.07 * ring * np.sin(2 * np.pi * 2 * pitch * times)
    return sound


def chime(seconds: float) -> Floats:
    times = np.arange(round(seconds * RATE)) / RATE
    notes = ((0.0, 880.0), (0.16, 1318.51), (0.32, 1760.0))
    sound = np.zeros_like(times)
    for at, pitch in notes:
        since = (times - at).clip(0)
        sound += 0.22 * np.exp(-4 * since) * np.sin(2 * np.pi * pitch * since)
    return sound


def write_sound(path: Path, samples: Floats) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        values = np.rint(samples.clip(-1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(values[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
