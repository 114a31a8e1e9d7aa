"""The eight orientations in which cameras store pictures, and the filters that turn them upright. Pure."""

import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upright:
    """First the axes are swapped, then each direction is flipped."""

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of_matrix(cls, matrix: bytes) -> "Upright":
        """The one nearest to a display matrix as FFmpeg has it (ISO/IEC 14496-12, 8.3.2)."""
        a, b, _, c, d = struct.unpack("=5i", matrix[:20])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @classmethod
    def of_number(cls, number: int) -> "Upright":
        return cls(bool(number & 4), bool(number & 2), bool(number & 1))

    @property
    def number(self) -> int:
        return self.transposed << 2 | self.flip_x << 1 | self.flip_y

    @property
    def filters(self) -> list[str]:
        """Empty where the picture is upright already."""
        named = (("transpose=dir=0", self.transposed), ("hflip", self.flip_x), ("vflip", self.flip_y))
        return [name for name, wanted in named if wanted]
