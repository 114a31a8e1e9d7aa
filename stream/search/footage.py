"""The original footage of an asset, by byte range, through the readers that also feed the decoders."""

import re
from types import TracebackType
from typing import Self

from decoders.formats.media_types import media_type
from decoders.formats.sniff import SNIFF_BYTES
from decoders.protocol import Source
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from sinks.query.catalogue import LiveAsset
from stream.errors import BadMedia, Superseded
from stream.events.asset import SourceVersion
from stream.events.ids import LEFT_OUT, typed_digest

# The tags of `FileSource`: the number of the file, and when it was changed.
_FILE = re.compile("[0-9a-f]+-[0-9a-f]+")
_CHANGED = "the footage is not what it was: publish it again"


class Footage:
    """An open source. `tag` names its bytes: equal for equal bytes of one asset, another where they changed.

    Raises as `open_source` does, `BadMedia` (`address_not_kept`) where the store keeps only a part of the address, and
    `Superseded` (`source_changed`) where the bytes are not those of `planned`, or change while they are read.
    """

    def __init__(self, asset: LiveAsset, policy: SourcePolicy, planned: SourceVersion | None = None) -> None:
        # What is left of such an address may name another object.
        if "://" in asset.uri and asset.uri.endswith(LEFT_OUT):
            raise BadMedia(
                "the query of the uri, which may be a secret, is not kept: publish the footage under an address"
                " without one",
                code="address_not_kept",
            )
        self._source: Source = open_source(asset.uri, policy)
        try:
            self._version = self._source.version
            # Its moments would lie at times of other footage.
            if planned is not None and not _are_same(planned, self._version):
                raise Superseded(_CHANGED, code="source_changed")
            self.size_bytes = self._version.size_bytes
            self.media_type = media_type(self._source.read(SNIFF_BYTES))
        except BaseException:
            self._source.close()
            raise
        self.tag = typed_digest("footage", asset.asset_key, self._version.size_bytes, self._version.tag)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, start: int, size: int) -> bytes:
        """Bytes [start, start + size), which lie within the footage. Who reads the last part calls `check`."""
        self._source.seek(start)
        found = self._source.read(size)
        if len(found) != size:
            raise Superseded(_CHANGED, code="source_changed")
        return found

    def check(self) -> None:
        """Raises `Superseded` (`source_changed`) where the source is not what was opened any more."""
        if self._source.version != self._version:
            raise Superseded(_CHANGED, code="source_changed")

    def close(self) -> None:
        self._source.close()


def _are_same(one: SourceVersion, other: SourceVersion) -> bool:
    """Of a file another machine may see another number; size and time of change are the same on both."""
    times = [
        version.tag.rpartition("-")[2] if _FILE.fullmatch(version.tag) else version.tag for version in (one, other)
    ]
    return one.size_bytes == other.size_bytes and times[0] == times[1]
