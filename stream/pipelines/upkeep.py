"""What is done to the stores between runs: dropping a space, maintenance. The state lock must be held."""

from stream.settings import Settings


def drop_space(settings: Settings, space_key: str) -> None:
    """Remove a space's rows and receipts from both stores."""
    from sinks.spaces import drop_space as drop

    drop(settings.index_dir, settings.parquet_dir, space_key)
