"""Annotations to stores: the fold, LanceDB, Delta/Parquet, the ledger, search and verification.

An entry of `REGISTRY` is `module:Class`, loaded only when used. Importing this package loads no store.
"""

REGISTRY: dict[str, str] = {
    "lance": "sinks.lance.sink:LanceSink",
    "delta": "sinks.delta.sink:DeltaSink",
}
"""Operators over topic `annotations`, built as `Class(place, clock)`; contract in `sinks.protocol`."""
