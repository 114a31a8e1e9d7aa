"""Mixes sounds: gains, fades and ducking, in blocks of 10 ms, so that the result depends on nothing but the sounds."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stream.errors import BadMedia
from stream.media.composite.settings import SAMPLE_RATE, CompositeSettings, Duck, SoundLayer
from stream.media.composite.sound_files import Samples, samples_of

BLOCK = 480
_BLOCK_S = BLOCK / SAMPLE_RATE
_SHORTEST_LOOP = SAMPLE_RATE // 10


def mixed(settings: CompositeSettings, inputs: Mapping[str, Path], tick: Callable[[], None]) -> Iterator[Samples]:
    """Blocks of `BLOCK` samples of the whole clip; the last one is longer than what remains. Peaks above full scale are
    cut off where they are written. Raises `BadMedia` where an input cannot be used.
    """
    tracks = [_Track(settings, sound, inputs, tick) for sound in settings.sounds]
    ducks = [_Ducking(sound.duck) if sound.duck is not None else None for sound in settings.sounds]
    for start in range(0, settings.sample_at(settings.frames), BLOCK):
        blocks = [track.block(start) for track in tracks]
        mix = np.zeros((BLOCK, 2), np.float64)
        for block, duck in zip(blocks, ducks, strict=True):
            gains = 1.0 if duck is None else duck.gains(blocks[duck.under])
            mix += block * gains
        yield mix.astype(np.float32)


def written(samples: Samples, bits: int) -> bytes:
    """Little-endian PCM, rounded to the nearest."""
    full = 1 << (bits - 1)
    values = np.rint(samples.astype(np.float64) * full).clip(-full, full - 1).astype("<i4")
    if bits == 16:
        return values.astype("<i2").tobytes()
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


class _Track:
    """One sound on the time line, without its ducking."""

    def __init__(
        self, settings: CompositeSettings, sound: SoundLayer, inputs: Mapping[str, Path], tick: Callable[[], None]
    ) -> None:
        self._first = round(sound.start * SAMPLE_RATE)
        self._end = round((settings.duration if sound.end is None else sound.end) * SAMPLE_RATE)
        self._fades = round(sound.fade_in * SAMPLE_RATE), round(sound.fade_out * SAMPLE_RATE)
        self._gain = 10 ** (sound.gain_db / 20)
        self._source = _Source(sound, inputs[sound.input], tick)

    def block(self, start: int) -> npt.NDArray[np.float64]:
        block = np.zeros((BLOCK, 2), np.float64)
        head, stop = max(0, self._first - start), min(BLOCK, self._end - start)
        if head >= stop:
            return block
        block[head:stop] = self._source.read(stop - head)
        places = np.arange(start + head, start + stop)
        gains = np.full(stop - head, self._gain)
        if self._fades[0]:
            gains *= np.clip((places - self._first + 0.5) / self._fades[0], 0, 1)
        if self._fades[1]:
            gains *= np.clip((self._end - places - 0.5) / self._fades[1], 0, 1)
        block[head:stop] *= gains[:, None]
        return block


class _Source:
    """The samples of an input one after another; silence where it has ended, unless it loops."""

    def __init__(self, sound: SoundLayer, path: Path, tick: Callable[[], None]) -> None:
        self._sound = sound
        self._path = path
        self._tick = tick
        self._blocks = self._opened()
        self._heard = 0
        self._rest: Samples = np.zeros((0, 2), np.float32)
        self._skip(round(sound.source_start * SAMPLE_RATE))

    def read(self, samples: int) -> Samples:
        parts: list[Samples] = []
        while samples:
            if not len(self._rest) and not self._refilled():
                parts.append(np.zeros((samples, 2), np.float32))
                break
            parts.append(self._rest[:samples])
            self._rest = self._rest[samples:]
            samples -= len(parts[-1])
        return np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)

    def _opened(self) -> Iterator[Samples]:
        return samples_of(self._path, self._sound.input, self._tick)

    def _refilled(self) -> bool:
        block = next(self._blocks, None)
        if block is None and self._sound.loop:
            # Opening a file for each few samples would take longer than the clip.
            if self._heard < _SHORTEST_LOOP:
                raise BadMedia(
                    f"the sound {self._sound.input!r} has less than {_SHORTEST_LOOP / SAMPLE_RATE:g} s and cannot loop",
                    code="no_sound",
                )
            self._blocks, self._heard = self._opened(), 0
            block = next(self._blocks, None)
        if block is None:
            return False
        self._heard += len(block)
        self._rest = block
        return True

    def _skip(self, samples: int) -> None:
        while samples > 0:
            block = next(self._blocks, None)
            if block is None:
                return
            self._heard += len(block)
            self._rest = block[samples:]
            samples -= len(block)


class _Ducking:
    """The gain of a sound that yields to another: its level per block, with attack and release in decibels."""

    def __init__(self, duck: Duck) -> None:
        self.under = duck.under
        self._duck = duck
        self._threshold = 10 ** (duck.threshold_db / 20)
        self._now_db = 0.0

    def gains(self, other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        heard = float(np.sqrt(np.mean(np.square(other)))) > self._threshold
        wanted = -self._duck.by_db if heard else 0.0
        seconds = self._duck.attack if wanted < self._now_db else self._duck.release
        # In a straight line of decibels: `attack` is the time for the whole way.
        step = self._duck.by_db * _BLOCK_S / seconds
        before = self._now_db
        self._now_db += min(max(wanted - before, -step), step)
        course: npt.NDArray[np.float64] = 10 ** (np.linspace(before, self._now_db, BLOCK, endpoint=False) / 20)
        return course[:, None]
