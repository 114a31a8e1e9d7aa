"""Messages for files without a film: what the file is and what the publisher can do."""

import av
from av.stream import Disposition

from decoders.formats.sniff import FAR_BYTES, SNIFF_BYTES, UNKNOWN, Guess, Sort, reaches_far, sniff
from decoders.protocol import Source
from stream.errors import BadMedia

NOT_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_PASSED_ON = (Sort.FOOTAGE, Sort.SOUND, Sort.UNKNOWN)
"""Kinds that FFmpeg opens: only it can see whether such a file has a video stream."""


def recognised(source: Source) -> Guess:
    """What the first bytes of the file look like. Raises `BadMedia` `still_picture` or `unreadable_container` where no
    allowed demuxer could find a film.
    """
    source.seek(0)
    head = source.read(SNIFF_BYTES)
    # Only a JPEG needs more than the head. All other files cost one small read.
    if reaches_far(head):
        head += source.read(FAR_BYTES)
    guess = sniff(head)
    if guess.sort in _PASSED_ON:
        return guess if guess.demuxer else UNKNOWN
    code = "still_picture" if guess.sort is Sort.PICTURE else "unreadable_container"
    raise BadMedia(guess.refusal, code=code)


def still(name: str) -> BadMedia:
    """The error for a file with one picture and no film."""
    return BadMedia(Guess(Sort.PICTURE, f"a still picture ({name})").refusal, code="still_picture")


def no_film(container: av.container.InputContainer) -> BadMedia:
    """The error for a container without a video stream that may be the film."""
    kinds = {stream.type for stream in container.streams}
    shown = [stream.disposition for stream in container.streams.video]
    if any(each & Disposition.still_image for each in shown) and "audio" not in kinds:
        return still("HEIF or AVIF")
    if "audio" in kinds:
        cover = " with a cover picture" if shown else ""
        return BadMedia(f"no video stream: this is sound{cover}; publish the film that it belongs to", code="no_video")
    found = ", ".join(sorted(kinds - {"video"})) or ("a picture" if shown else "nothing")
    return BadMedia(f"no video stream (found: {found}); publish the film that it belongs to", code="no_video")
