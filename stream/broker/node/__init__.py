"""A single Kafka node on this machine, for trials and tests. Not for production, and no part of the Kafka broker."""
