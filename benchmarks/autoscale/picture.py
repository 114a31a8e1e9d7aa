"""A scatter of two costs, as a small PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, EDGE = 760, 460, 64
COLOURS = ("#1668b8", "#c22f2f", "#2f8f46", "#b5651d", "#7a4fb0", "#888888")


@dataclass(frozen=True, slots=True)
class Point:
    """`small`: of days that served to choose."""

    x: float
    y: float
    name: str
    small: bool = False


def scatter(points: Sequence[Point], across: str, up: str, path: Path) -> None:
    """Both axes begin at zero. The legend lists names in order of appearance of large points, then of small ones."""
    names = list(dict.fromkeys(it.name for it in sorted(points, key=lambda it: it.small)))
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    most_x, most_y = (_round_up(max(values)) for values in ([it.x for it in points], [it.y for it in points]))
    for part in range(6):
        x, y = EDGE + part * (WIDTH - 2 * EDGE) // 5, HEIGHT - EDGE - part * (HEIGHT - 2 * EDGE) // 5
        draw.line((x, EDGE, x, HEIGHT - EDGE), "#e8e8e8")
        draw.line((EDGE, y, WIDTH - EDGE, y), "#e8e8e8")
        draw.text((x, HEIGHT - EDGE + 6), f"{most_x * part / 5:g}", "black", font, anchor="mt")
        draw.text((EDGE - 8, y), f"{most_y * part / 5:g}", "black", font, anchor="rm")
    draw.text((WIDTH // 2, HEIGHT - 14), across, "black", font, anchor="ms")
    draw.text((EDGE, EDGE - 14), up, "black", font, anchor="ms")
    for it in sorted(points, key=lambda it: not it.small):
        x = EDGE + round(it.x / most_x * (WIDTH - 2 * EDGE))
        y = HEIGHT - EDGE - round(it.y / most_y * (HEIGHT - 2 * EDGE))
        size = 3 if it.small else 6
        draw.ellipse((x - size, y - size, x + size, y + size), COLOURS[names.index(it.name) % len(COLOURS)])
    for line, name in enumerate(names):
        x, y = WIDTH - EDGE - 190, EDGE + 10 + 18 * line
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), COLOURS[line % len(COLOURS)])
        draw.text((x + 12, y), name, "black", font, anchor="lm")
    picture.save(path, optimize=True)


def _round_up(value: float) -> float:
    step = 10.0 ** (len(str(int(value))) - 1) / 2
    return step * -(-value // step)
