"""Stores that are divided into shards: a sink over all of them, and how processes hand them to each other."""
