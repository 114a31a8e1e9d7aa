"""Walks a folder for footage. The first bytes decide about each file, and every file that is left out is reported.

Links to files are followed, wherever they lead. Links to folders are not, because they may lead to the whole machine.
They are reported, and a person who wants such a folder names it directly (ADR 0032).
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from decoders.formats.sniff import FAR_BYTES, SNIFF_BYTES, Guess, Sort, reaches_far, sniff
from stream.cli.options.left_out import LeftOut

_FILM = re.compile(
    r"\.(264|265|360|3g2|3gp|asf|avc|avi|divx|dvr-ms|evo|f4v|flv|gxf|h264|h265|hevc|insv|ismv|ivf|lrv|m1v|m2p|m2t|m2ts"
    r"|m2v|m4v|mj2|mjpeg|mjpg|mkv|mov|mp4|mpe|mpeg|mpg|mxf|nut|obu|ogm|ogv|rm|rmvb|trp|vob|vro|webm|wmv|y4m)"
)
"""A file with such a name counts as footage: if it is not, its event must report that."""
_SHARED = re.compile(r"\.(dif|dv|mod|mts|qt|tod|ts)")
"""Endings of footage and also of other files (programs, music, settings). Files known as no footage are left out."""
_SOUND = re.compile(r"\.(aac|ac3|aiff?|flac|m4[ab]|mka|mp[23]|oga|opus|wav|weba|wma)")
_PHOTO = re.compile(r"\.(insp|jfif|jpe?g?|mpo|thm)")
_UNFINISHED = re.compile(r"\.(aria2|crdownload|download|filepart|part|partial|temp|tmp)")
_COPYING = re.compile(r"\..+\.[A-Za-z0-9]{6}")
"""The name that rsync gives to a file while it writes it."""

_SYSTEM_FILE = re.compile(r"\.ds_store|\.localized|desktop\.ini|ehthumbs\.db|icon\r|thumbs\.db")
_SYSTEM_FOLDER = re.compile(
    r"\.(appledouble|documentrevisions-v100|fseventsd|spotlight-v100|temporaryitems|trash|trashes|trash-.*)"
    r"|#recycle|\$recycle\.bin|@eadir|system volume information"
)
_APPLE_DOUBLE = b"\x00\x05\x16\x07"


@dataclass(slots=True)
class FolderWalk:
    """One folder. Iterating yields the paths of footage in ascending order, and fills `left_out` and `followed` (the
    links to files among the paths).
    """

    folder: str
    left_out: LeftOut
    followed: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        found: list[str] = []
        links: list[str] = []
        # A stack and no recursion: folders may be nested deeper than Python allows calls.
        folders = [self.folder]
        while folders:
            for entry in self._listed(folders.pop()):
                # First: a link to a file would otherwise count as the file itself.
                if entry.is_symlink():
                    links.append(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    if not self._is_system(entry):
                        folders.append(entry.path)
                elif self._takes(entry.path):
                    found.append(entry.path)
        # Links last: what they lead to may have been found by its own name.
        self._follow(sorted(links), found)
        return iter(sorted([*found, *self.followed]))

    def _listed(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        # A folder that cannot be listed costs only what is in it.
        except OSError as error:
            self.left_out.unreadable(folder, error, "the folder cannot be listed")
            return []

    def _is_system(self, entry: os.DirEntry[str]) -> bool:
        if _SYSTEM_FOLDER.fullmatch(entry.name.lower()):
            self.left_out.add("system files", entry.path)
            return True
        return False

    def _follow(self, links: list[str], found: list[str]) -> None:
        """Follows the links that lead to footage which the walk has not found otherwise."""
        # The real path: a link back into the walked folder is no new footage.
        top = Path(os.path.realpath(self.folder))
        seen = set(map(os.path.realpath, found)) if links else set()
        for link in links:
            try:
                real = Path(link).resolve(strict=True)
                is_folder = real.is_dir()
            except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
                loop = OSError(errno.ELOOP, "") if isinstance(error, RuntimeError) else error
                self.left_out.unreadable(link, loop, "the link leads nowhere")
                continue
            if str(real) in seen or (is_folder and real.is_relative_to(top)):
                self.left_out.add("links to what is there already", link)
            elif is_folder:
                self.left_out.add("linked folders", link)
            elif self._takes(link):
                seen.add(str(real))
                self.followed.append(link)

    def _takes(self, path: str) -> bool:
        name, suffix = Path(path).name, Path(path).suffix.lower()
        try:
            why = _by_name(name, suffix) or _by_content(path, name, suffix)
        except OSError as error:
            if _FILM.fullmatch(suffix):
                return True  # its event reports the reason, and a worker elsewhere may be allowed to read it
            self.left_out.unreadable(path, error, "the file cannot be read")
            return False
        if why:
            self.left_out.add(why, path)
        return not why


def _by_name(name: str, suffix: str) -> str:
    if _SYSTEM_FILE.fullmatch(name.lower()):
        return "system files"
    return "unfinished downloads and copies" if _UNFINISHED.fullmatch(suffix) or _COPYING.fullmatch(name) else ""


def _by_content(path: str, name: str, suffix: str) -> str:
    head = first_bytes(path, far=not _PHOTO.fullmatch(suffix))
    return "pipes, sockets and devices" if head is None else left_out_as(name, suffix, head)


def left_out_as(name: str, suffix: str, head: bytes) -> str:
    """The kind under which a file is left out; empty for footage and possible footage."""
    if name.startswith("._") and head.startswith(_APPLE_DOUBLE):
        return "system files"
    guess = sniff(head)
    if _FILM.fullmatch(suffix):
        return ""
    if not head:
        return "" if _SHARED.fullmatch(suffix) else "empty files"
    if guess.sort in (Sort.FOOTAGE, Sort.UNREADABLE):
        return Sort.SOUND if _SOUND.fullmatch(suffix) and not _moves(guess, head) else _subtitles(suffix)
    return "" if guess.sort is Sort.UNKNOWN and _SHARED.fullmatch(suffix) else guess.sort


def _moves(guess: Guess, head: bytes) -> bool:
    """Whether a file with the name of a sound file has video. Only Ogg and Matroska show that in the first bytes."""
    return guess.name == "Ogg" or b"\x86\x8fV_MPEG4" in head


def _subtitles(suffix: str) -> str:
    """The kind of a subtitle file: a DVD's subtitles are a program stream, so the content alone looks like footage."""
    return Sort.SUBTITLES if suffix in (".sub", ".mks") else ""


def first_bytes(path: str, *, far: bool) -> bytes | None:
    """Up to `SNIFF_BYTES`, and `FAR_BYTES` more where they decide; None for a file that is not regular. Opening never
    blocks. Raises `OSError`.
    """
    # Before opening: some devices do something when they are opened.
    if not stat.S_ISREG(Path(path).stat().st_mode):
        return None
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Again on the open file: it may have been replaced in between.
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        head = os.pread(fd, SNIFF_BYTES, 0)
        return head + os.pread(fd, FAR_BYTES, SNIFF_BYTES) if far and reaches_far(head) else head
    finally:
        os.close(fd)
