"""The engine: events, brokers, the worker, the topology, and the composition roots (pipelines, CLI)."""
