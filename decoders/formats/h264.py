"""What an H.264 stream says of itself in its parameter sets and units (ITU-T H.264; pure), where that is certain."""

from collections.abc import Iterator

IDR, SPS = 5, 7
_START_CODE = b"\x00\x00\x01"
_MAX_REORDERED = 16
_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
"""Profiles whose parameter sets tell of the chroma format (7.3.2.1.1)."""
_OWN_ASPECT = 255
_MAX_BITS = 32


def units(data: bytes, length_bytes: int) -> Iterator[int]:
    """Where each unit begins, with its header. Without `length_bytes` start codes separate them."""
    if not length_bytes:
        at = data.find(_START_CODE) + len(_START_CODE)
        while len(_START_CODE) <= at < len(data):
            yield at
            at = data.find(_START_CODE, at) + len(_START_CODE)
        return
    at = 0
    while at + length_bytes < len(data):
        yield at + length_bytes
        at += length_bytes + int.from_bytes(data[at : at + length_bytes])


def length_bytes(record: bytes) -> int:
    """How many bytes state the length of a unit, by a decoder configuration record (avcC, ISO/IEC 14496-15); 0 where it
    is none: start codes then separate the units.
    """
    return (record[4] & 3) + 1 if record[:1] == b"\x01" and len(record) > 4 else 0


def reordered(record: bytes) -> int | None:
    """How many pictures are decoded before one that is shown earlier, at most, where the record (avcC) has one sequence
    parameter set and that states it (`max_num_reorder_frames`, E.2.1). None where it does not, or is not whole.
    """
    if not length_bytes(record) or len(record) < 8 or record[5] & 31 != 1:
        return None
    end = 8 + int.from_bytes(record[6:8])
    if len(record) < end or end < 12 or record[8] & 31 != SPS:
        return None
    try:
        return _reordered(_Bits(record[9:end]))
    except IndexError:
        return None


class _Bits:
    """Reads numbers from a unit's payload. Raises `IndexError` behind its end."""

    def __init__(self, payload: bytes) -> None:
        # Bytes of 3 keep two zero bytes from looking like a start code (7.4.1.1).
        self._data = payload.replace(b"\x00\x00\x03", b"\x00\x00")
        self._at = 0

    def take(self, count: int = 1) -> int:
        value = 0
        for at in range(self._at, self._at + count):
            value = value << 1 | self._data[at >> 3] >> (7 - (at & 7)) & 1
        self._at += count
        return value

    def number(self) -> int:
        """An Exp-Golomb code (9.1)."""
        zeros = 0
        while not self.take():
            zeros += 1
            if zeros > _MAX_BITS:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        value = self.number()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def _reordered(bits: _Bits) -> int | None:
    """The sequence parameter set in its order (7.3.2.1.1)."""
    profile = bits.take(8)
    bits.take(16)
    bits.number()
    if profile in _WITH_CHROMA:
        _pass_chroma(bits)
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take()
        for _ in range(2):
            bits.number()
        for _ in range(bits.number()):
            bits.number()
    bits.number()
    bits.take()
    for _ in range(2):
        bits.number()
    if not bits.take():  # fields
        bits.take()
    bits.take()
    if bits.take():  # cropping
        for _ in range(4):
            bits.number()
    return _of_usability(bits) if bits.take() else None


def _pass_chroma(bits: _Bits) -> None:
    chroma = bits.number()
    if chroma == 3:
        bits.take()
    for _ in range(2):
        bits.number()
    bits.take()
    if not bits.take():
        return
    for number in range(8 if chroma != 3 else 12):
        if bits.take():
            _pass_scaling_list(bits, 16 if number < 6 else 64)


def _pass_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _of_usability(bits: _Bits) -> int | None:
    """Video usability information (E.1.1)."""
    if bits.take() and bits.take(8) == _OWN_ASPECT:
        bits.take(32)
    _pass_presentation(bits)
    if bits.take():  # timing
        bits.take(65)
    _pass_buffering(bits)
    bits.take()
    if not bits.take():
        return None
    bits.take()
    for _ in range(4):
        bits.number()
    found = bits.number()
    bits.number()
    return found if found <= _MAX_REORDERED else None


def _pass_presentation(bits: _Bits) -> None:
    if bits.take():  # overscan
        bits.take()
    if bits.take():  # signal type
        bits.take(4)
        if bits.take():
            bits.take(24)
    if bits.take():  # chroma location
        for _ in range(2):
            bits.number()


def _pass_buffering(bits: _Bits) -> None:
    """Parameters of hypothetical decoders (E.1.2)."""
    some = False
    for _ in range(2):
        if not bits.take():
            continue
        some = True
        count = bits.number() + 1
        bits.take(8)
        for _ in range(count):
            for _ in range(2):
                bits.number()
            bits.take()
        bits.take(20)
    if some:
        bits.take()
