"""rushes with all that it looks for by default: shots, tags, moderation and vectors, by its own models."""

from benchmarks.peers.rushes_topology import ingest
from benchmarks.peers.task import Job
from stream.pipelines.settings import ModelChoice

if __name__ == "__main__":
    ingest(Job.from_command_line(), ModelChoice())
