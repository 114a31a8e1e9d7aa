"""The settings of commands without run options."""

from stream.cli.context import Context
from stream.cli.options.shards import as_stored
from stream.pipelines.settings import Settings


def file_settings(shared: Context) -> Settings:
    """The stores are divided as they are found. Raises `Fatal` (`shards_unreadable`)."""
    return as_stored(
        Settings(
            state_dir=shared.state_dir,
            cache_dir=shared.cache_dir,
            require_sandbox=shared.require_sandbox,
            deployment=shared.deployment,
            index=shared.index,
            parquet=shared.parquet,
            uploads=shared.uploads,
            audit=None if shared.audit is None else shared.audit.path(),
        )
    )
