"""What a process with given settings may read."""

from decoders.sources.policy import SourcePolicy
from stream.pipelines.settings import Settings


def source_policy(settings: Settings) -> SourcePolicy:
    """The policy for every source that is opened for somebody else's event or request."""
    return SourcePolicy(
        schemes=settings.schemes,
        roots=frozenset(map(str, settings.roots)),
        prefixes=frozenset(settings.prefixes),
        allow_private_addresses=settings.allow_private_addresses,
        read_timeout_s=settings.source_silence_s,
        request_timeout_s=settings.source_request_s,
    )
