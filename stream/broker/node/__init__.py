"""A single Kafka node on this machine, for trials and tests. Not for production, and not part of the Kafka broker."""
