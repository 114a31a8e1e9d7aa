"""What an operator allows to be read: folders and files, and prefixes of object stores. They come from the command
line, now or at an earlier ingest. No event, dead letter or row ever adds to them (ADR 0036).
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from decoders.sources.object_names import is_store, is_under, prefix_of
from decoders.sources.uris import LOCAL, local_path
from stream.cli.context import UsageProblem
from stream.errors import BadMedia, Fatal, printable
from stream.events.notifications import OBJECT_SCHEME
from stream.files import expanded, read_small, replace_file
from stream.pipelines.settings import DEFAULT_SCHEMES

ROOTS_FILE = "roots.json"
_PATHS = ("file", LOCAL)


@dataclass(frozen=True, slots=True)
class Roots:
    """Real paths, and prefixes in the form of `decoders.sources.object_names`. `schemes` are
    those of the named roots.
    """

    folders: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()

    @classmethod
    def named(cls, words: Iterable[str]) -> Self:
        """The roots of `--root`: folders, which are resolved now, and `scheme://bucket/prefix`.
        Raises `UsageProblem`.
        """
        folders, prefixes, schemes = [], [], []
        for word in words:
            scheme, mark, _ = word.lower().partition("://")
            if not mark or scheme in _PATHS:
                # Resolved now and never again: a link that changes later gives no access (ADR 0036).
                folders.append(os.path.realpath(_path(word)))
            else:
                prefixes.append(_prefix(word))
            schemes += [scheme] if mark and scheme not in DEFAULT_SCHEMES else []
        return cls(*(tuple(dict.fromkeys(found)) for found in (folders, prefixes, schemes)))

    @classmethod
    def typed(cls, places: Iterable[Path], uris: Iterable[str]) -> Self:
        """The roots that typed footage allows (see `uris.Targets`): real paths of this machine, and objects. Typed
        footage does not allow further schemes.
        """
        elsewhere = [uri for uri in uris if "://" in uri]
        local = [_path(uri) for uri in elsewhere if uri.lower().startswith(f"{LOCAL}://")]
        folders = dict.fromkeys([*map(str, places), *map(os.path.realpath, local)])
        return cls(tuple(folders), tuple(_object_prefixes(elsewhere)))

    def joined(self, other: "Roots") -> "Roots":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Roots(*(tuple(dict.fromkeys((*mine, *others))) for mine, others in pairs))

    def least(self) -> "Roots":
        """The same roots without those that lie under another root."""
        folders, prefixes = set(self.folders), set(self.prefixes)
        return Roots(
            tuple(it for it in self.folders if not any(str(above) in folders for above in Path(it).parents)),
            tuple(it for it in self.prefixes if not is_under(it.rpartition("/")[0], prefixes)),
            self.schemes,
        )


def checked_schemes(schemes: Sequence[str]) -> tuple[str, ...]:
    """The schemes, if all name stores with buckets. Raises `UsageProblem` for another scheme."""
    for scheme in schemes:
        if scheme not in (*DEFAULT_SCHEMES, LOCAL) and not is_store(scheme):
            raise UsageProblem(
                f"--scheme {scheme!r} is not a store with buckets: name one such as s3 or gs, and its buckets with"
                " --root s3://BUCKET/PREFIX"
            )
    return tuple(schemes)


def require_buckets(schemes: Iterable[str], prefixes: Iterable[str]) -> None:
    """Raises `UsageProblem` for a scheme without a root: a scheme alone allows no bucket."""
    named = {prefix.partition("://")[0] for prefix in prefixes}
    for scheme in schemes:
        if scheme not in (*DEFAULT_SCHEMES, LOCAL) and scheme not in named:
            raise UsageProblem(
                f"--scheme {scheme} allows no bucket: name each bucket with --root {scheme}://BUCKET or"
                f" --root {scheme}://BUCKET/PREFIX"
            )


def roots_of_buckets(patterns: Iterable[str]) -> tuple[str, ...]:
    """Values of `--root` for the objects that bucket rules publish: each up to the last complete folder of the rule. A
    rule without a complete bucket name allows nothing.
    """
    names = (pattern.partition("=")[0].partition("{")[0].rpartition("/")[0] for pattern in patterns)
    return tuple(dict.fromkeys(f"{OBJECT_SCHEME}://{name}" for name in names if name))


def remember_roots(state_dir: Path, roots: Roots) -> None:
    """Adds the roots of an ingest to the saved ones. The caller must hold the state lock. Raises `Fatal`
    (`state_unwritable`).
    """
    # Earlier roots stay: a replay may need any of them.
    kept = remembered_roots(state_dir)
    whole = kept.joined(Roots(roots.folders, roots.prefixes)).least()
    # Unchanged roots are not written, so that a full disk stops no ingest that needs nothing new.
    if whole != kept:
        _keep(state_dir, whole)


def forget_roots(state_dir: Path, asset_ids: Iterable[str]) -> None:
    """Removes deleted files and objects from the saved roots, so that their names do not stay. Their folders and
    prefixes stay. The caller must hold the state lock. Raises `Fatal` (`state_unwritable`).
    """
    ids = list(asset_ids)
    # As typed and as resolved: an id may be either.
    gone = {*ids, *(os.path.realpath(each) for each in ids if "://" not in each), *_object_prefixes(ids)}
    kept = remembered_roots(state_dir)
    folders, prefixes = (tuple(each for each in held if each not in gone) for held in (kept.folders, kept.prefixes))
    left = Roots(folders, prefixes)
    if left != kept:
        _keep(state_dir, left)


def _keep(state_dir: Path, whole: Roots) -> None:
    try:
        text = json.dumps({"folders": whole.folders, "prefixes": whole.prefixes}, indent=2)
        replace_file(state_dir / ROOTS_FILE, text + "\n")
    except OSError as error:
        raise Fatal(f"{state_dir} cannot be written ({error.strerror}): make room", code="state_unwritable") from None


def remembered_roots(state_dir: Path) -> Roots:
    """The saved roots of ingests with this state directory; none where the file is missing or unreadable. Paths are not
    resolved again, so a link that replaced a folder later gives no access.
    """
    try:
        kept = json.loads(read_small(state_dir / ROOTS_FILE))
        lists = [kept[name] for name in ("folders", "prefixes")]
    # None rather than some: what cannot be read allows nothing.
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Roots()
    folders, prefixes = (
        tuple(it for it in held if isinstance(it, str)) if isinstance(held, list) else () for held in lists
    )
    return Roots(folders, prefixes)


def _object_prefixes(uris: Iterable[str]) -> Iterable[str]:
    """Yields the URIs of objects as prefixes. Invalid ones are left out; opening them reports the reason."""
    for uri in uris:
        if "://" in uri and uri.partition("://")[0].lower() not in DEFAULT_SCHEMES:
            try:
                yield prefix_of(uri)
            except ValueError:
                continue


def _prefix(word: str) -> str:
    try:
        return prefix_of(word)
    except ValueError as error:
        raise UsageProblem(f"--root {printable(word[:200])}: {error}") from None


def _path(word: str) -> Path:
    try:
        return local_path(word) if "://" in word else expanded(word)
    except BadMedia as error:
        raise UsageProblem(f"--root {printable(word[:200])}: {error.message}") from None
