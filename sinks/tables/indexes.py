"""Which columns of a table have an index, by its kind."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Indexes:
    """Columns by the kind of their index: `keyed` for many values, `grouped` for few, `listed` for lists of strings,
    `worded` for a full-text search.
    """

    keyed: tuple[str, ...] = ()
    grouped: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    worded: tuple[str, ...] = ()

    def kinds(self) -> Iterator[tuple[str, str]]:
        """Of the scalar ones, as Lance calls them."""
        listed = ((self.keyed, "BTREE"), (self.grouped, "BITMAP"), (self.listed, "LABEL_LIST"))
        yield from ((column, kind) for columns, kind in listed for column in columns)

    def texts(self, schema: pa.Schema) -> list[str]:
        """The `keyed` ones whose values are strings."""
        return [name for name in self.keyed if pa.types.is_string(schema.field(name).type)]


NO_INDEXES = Indexes()
