"""Metric definitions, the status of a worker, and the HTTP endpoints that show both. Begin with `metrics`."""
